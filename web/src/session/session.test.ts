/** The session against a server of its own making: how tokens are renewed, shared between tabs, and given up. */

import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { ProblemError } from "../api/problem";
import type { User } from "../api/types";
import { type Message, Session } from "./session.svelte";
import type { Channel } from "./tabs";

const ANN = { id: "1", username: "ann", role: "user" as const };
const BOB = { id: "2", username: "bob", role: "user" as const };
const MINUTE = 60_000;

let now: number;

/** A server that gives out numbered tokens, each good for 15 minutes. */
class Server {
  user: User = ANN;
  cookie = false;
  reachable = true;
  issued = 0;
  asked: string[] = [];

  fetch = (input: string | URL | Request, init?: RequestInit): Promise<Response> => {
    const path = new URL(input instanceof Request ? input.url : input).pathname.slice(1);
    this.asked.push(`${init?.method ?? "GET"} ${path}`);
    if (!this.reachable) return Promise.reject(new TypeError("Failed to fetch"));
    return Promise.resolve(this.#answer(`${init?.method ?? "GET"} ${path}`, init?.body));
  };

  #answer(request: string, body: unknown): Response {
    switch (request) {
      case "POST auth/session":
        if (!String(body).includes("good")) return this.#problem(401, "invalid-credentials");
        this.cookie = true;
        return this.#tokens();
      case "POST auth/session/refresh":
        return this.cookie ? this.#tokens() : new Response(null, { status: 204 });
      case "DELETE auth/session":
        this.cookie = false;
        return new Response(null, { status: 204 });
      case "GET auth/me":
        return Response.json(this.user);
      default:
        return this.#problem(404, "not-found");
    }
  }

  #tokens(): Response {
    this.issued += 1;
    return Response.json({ access_token: `token-${this.issued}`, token_type: "bearer", expires_in: 900 });
  }

  #problem(status: number, code: string): Response {
    return Response.json({ status, code, title: code, detail: "" }, { status });
  }
}

/** The tabs of one browser. */
class Browser {
  #tabs: ((message: Message) => void)[] = [];
  #turn: Promise<unknown> = Promise.resolve();
  reloads = 0;

  open(): Session {
    let heard: (message: Message) => void = () => undefined;
    this.#tabs.push((message) => heard(message));
    const place = this.#tabs.length - 1;
    const channel: Channel<Message> = {
      send: (message) => this.#tabs.forEach((tab, index) => index !== place && tab(message)),
      listen: (listener) => (heard = listener),
    };
    return new Session({ now: () => now, channel, lock: this.#lock, reload: () => (this.reloads += 1) });
  }

  #lock = <Result>(task: () => Promise<Result>): Promise<Result> => {
    const result = this.#turn.then(task);
    this.#turn = result.catch(() => undefined);
    return result;
  };
}

let server: Server;
let browser: Browser;

beforeEach(() => {
  now = 0;
  server = new Server();
  browser = new Browser();
  vi.stubGlobal("document", { baseURI: "http://localhost/" });
  vi.stubGlobal("fetch", server.fetch);
});

afterEach(() => vi.unstubAllGlobals());

function refreshes(): number {
  return server.asked.filter((request) => request === "POST auth/session/refresh").length;
}

async function signedIn(): Promise<Session> {
  server.cookie = true;
  const session = browser.open();
  await session.start("local");
  return session;
}

describe("starting", () => {
  test("goes on with the session that the browser has a cookie of", async () => {
    const session = await signedIn();
    expect([session.phase, session.user]).toEqual(["signed-in", ANN]);
    expect(await session.token()).toBe("token-1");
  });

  test("is signed out without one", async () => {
    const session = browser.open();
    await session.start("local");
    expect([session.phase, session.user]).toEqual(["signed-out", null]);
  });

  test("needs no token where nobody signs in, and asks for none", async () => {
    const session = browser.open();
    await session.start("none");
    expect([session.phase, await session.token()]).toEqual(["signed-in", null]);
    expect(server.asked).toEqual([]);
  });

  test("says when the server cannot be reached", async () => {
    server.reachable = false;
    await expect(browser.open().start("local")).rejects.toMatchObject({ code: "unreachable" });
  });
});

describe("signing in", () => {
  test("gives the token to whoever waits for one", async () => {
    const session = browser.open();
    await session.start("local");
    const waiting = session.token();
    await session.signIn("ann", "good");
    expect(await waiting).toBe("token-1");
  });

  test("says why it did not work, and stays signed out", async () => {
    const session = browser.open();
    await session.start("local");
    const failure = await session.signIn("ann", "bad").catch((error: unknown) => error);
    expect(failure).toBeInstanceOf(ProblemError);
    expect((failure as ProblemError).code).toBe("invalid-credentials");
    expect(session.phase).toBe("signed-out");
  });

  test("as somebody else begins the page anew", async () => {
    const session = await signedIn();
    server.user = BOB;
    await session.signIn("bob", "good");
    expect(browser.reloads).toBe(1);
    expect(session.user).toEqual(ANN);
  });
});

describe("renewing", () => {
  test("happens a minute before the end, and not sooner", async () => {
    const session = await signedIn();
    now = 14 * MINUTE - 1;
    expect(await session.token()).toBe("token-1");
    now = 14 * MINUTE;
    expect(await session.token()).toBe("token-2");
  });

  test("happens once for everybody who needs a token at the same time", async () => {
    const session = await signedIn();
    now = 15 * MINUTE;
    expect(await Promise.all([session.token(), session.token(), session.token()])).toEqual(Array(3).fill("token-2"));
    expect(refreshes()).toBe(2);
  });

  test("happens at once when the server does not take the token", async () => {
    const session = await signedIn();
    session.refused("token-1");
    expect(await session.token()).toBe("token-2");
    session.refused("token-1");
    expect(await session.token()).toBe("token-2");
  });

  test("can be asked for at once, and every tab has what came of it", async () => {
    const [session, other] = [await signedIn(), await signedIn()];
    expect([await session.token(), await other.token()]).toEqual(["token-2", "token-2"]);
    await session.renew();
    expect([await session.token(), await other.token()]).toEqual(["token-3", "token-3"]);
  });

  test("can be tried again after the network was away", async () => {
    const session = await signedIn();
    now = 15 * MINUTE;
    server.reachable = false;
    await expect(session.token()).rejects.toMatchObject({ code: "unreachable" });
    expect(session.phase).toBe("signed-in");
    server.reachable = true;
    expect(await session.token()).toBe("token-2");
  });
});

describe("the end of a session", () => {
  test("leaves the page as it is, and requests waiting until somebody has signed in again", async () => {
    const session = await signedIn();
    server.cookie = false;
    now = 15 * MINUTE;
    const waiting = session.token();
    await vi.waitFor(() => expect(session.phase).toBe("over"));
    expect(session.user).toEqual(ANN);
    await session.signIn("ann", "good");
    expect(await waiting).toBe("token-2");
  });

  test("comes by signing out, after which things are cleared away", async () => {
    const session = await signedIn();
    const cleared = vi.fn(() => Promise.resolve());
    await session.signOut(cleared);
    expect([server.cookie, cleared.mock.calls.length, browser.reloads]).toEqual([false, 1, 1]);
  });

  test("does not come while the server cannot be reached", async () => {
    const session = await signedIn();
    server.reachable = false;
    const cleared = vi.fn(() => Promise.resolve());
    await expect(session.signOut(cleared)).rejects.toMatchObject({ code: "unreachable" });
    expect([session.phase, cleared.mock.calls.length, browser.reloads]).toEqual(["signed-in", 0, 0]);
  });
});

describe("several tabs", () => {
  test("share what one of them got, so that the cookie is used once", async () => {
    const [one, other] = [await signedIn(), await signedIn()];
    const before = refreshes();
    now = 15 * MINUTE;
    const tokens = await Promise.all([one.token(), other.token()]);
    expect(new Set(tokens).size).toBe(1);
    expect(refreshes()).toBe(before + 1);
  });

  test("are signed in by one of them", async () => {
    const [one, other] = [browser.open(), browser.open()];
    await Promise.all([one.start("local"), other.start("local")]);
    await one.signIn("ann", "good");
    expect([other.phase, other.user, await other.token()]).toEqual(["signed-in", ANN, "token-1"]);
  });

  test("begin anew when one of them signs out", async () => {
    const [one] = [await signedIn(), await signedIn()];
    await one.signOut();
    expect(browser.reloads).toBe(2);
  });

  test("begin anew when somebody else signs in in one of them", async () => {
    await signedIn();
    const other = browser.open();
    await other.start("none");
    server.user = BOB;
    const third = browser.open();
    await third.start("local");
    expect(browser.reloads).toBeGreaterThan(0);
  });
});

describe("a token of an external issuer", () => {
  const claims = { sub: "x|7", exp: 600 };
  const payload = Buffer.from(JSON.stringify(claims)).toString("base64url");
  const token = `e30.${payload}.sig`;

  test("is used until it ends, and asked for again then", async () => {
    const session = browser.open();
    await session.start("external");
    expect(session.phase).toBe("signed-out");
    await session.usePastedToken(token);
    expect(await session.token()).toBe(token);
    now = 10 * MINUTE;
    void session.token();
    await vi.waitFor(() => expect(session.phase).toBe("over"));
    expect(refreshes()).toBe(0);
  });

  test("is whose the server says it is, and gives the role that it has there", async () => {
    server.user = { id: "x|7", username: "ann", role: "admin" };
    const session = browser.open();
    await session.start("external");
    await session.usePastedToken(token);
    expect(session.user).toEqual(server.user);
  });
});
