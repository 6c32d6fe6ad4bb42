/** Requests of uploads, with an XMLHttpRequest that a server of the test's own answers. */

import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import type { TokenSource } from "../api/client";
import { Transport, type TransportRequest, UnreadableFile } from "./transport";

interface Seen {
  readonly method: string;
  readonly token: string | undefined;
  readonly body: unknown;
}

let seen: Seen[];
/** The status of each answer in turn; 0 is a lost connection, null none at all. */
let statuses: (number | null)[];

class Request {
  readonly upload = { onprogress: null };
  readonly headers: Record<string, string> = {};
  status = 0;
  responseText = "";
  method = "";
  aborted = false;
  onload: () => void = () => undefined;
  onerror: () => void = () => undefined;

  open(method: string): void {
    this.method = method;
  }

  setRequestHeader(name: string, value: string): void {
    this.headers[name] = value;
  }

  getResponseHeader(): null {
    return null;
  }

  abort(): void {
    this.aborted = true;
  }

  send(body: unknown): void {
    seen.push({ method: this.method, token: this.headers["Authorization"], body });
    const status = statuses.shift();
    if (status == null) return;
    this.status = status;
    queueMicrotask(() => (status ? this.onload() : this.onerror()));
  }
}

class Tokens implements TokenSource {
  current = 1;
  waiting: Promise<void> = Promise.resolve();

  async token(): Promise<string | null> {
    await this.waiting;
    return this.current ? `token-${this.current}` : null;
  }

  refused(token: string): void {
    if (token === `token-${this.current}`) this.current += 1;
  }
}

let tokens: Tokens;

beforeEach(() => {
  seen = [];
  tokens = new Tokens();
  vi.stubGlobal("XMLHttpRequest", Request);
});

afterEach(() => vi.unstubAllGlobals());

function make(method: string, ...answers: (number | null)[]): TransportRequest {
  statuses = answers;
  return new Transport(tokens).createRequest(method, "http://localhost/files/1");
}

async function status(method: string, ...answers: number[]): Promise<number> {
  return (await make(method, ...answers).send("body")).getStatus();
}

describe("tokens", () => {
  test("the newest one goes along", async () => {
    tokens.current = 7;
    expect(await status("PATCH", 204)).toBe(204);
    expect(seen).toEqual([{ method: "PATCH", token: "Bearer token-7", body: "body" }]);
  });

  test("there is none where none is needed", async () => {
    tokens.current = 0;
    expect(await status("HEAD", 401).catch(() => "lost")).toBe("lost");
    expect(seen).toHaveLength(1);
    expect(seen[0]?.token).toBeUndefined();
  });

  test.each(["HEAD", "PATCH", "POST", "DELETE"])("%s is repeated with another after 401", async (method) => {
    expect(await status(method, 401, 204)).toBe(204);
    expect(seen.map((request) => request.token)).toEqual(["Bearer token-1", "Bearer token-2"]);
    expect(seen.map((request) => request.body)).toEqual(["body", "body"]);
  });

  test("a second 401 is the answer", async () => {
    expect(await status("PATCH", 401, 401)).toBe(401);
  });
});

describe("a request that is ended", () => {
  test("while it waits for a token is never sent", async () => {
    let signIn = (): void => undefined;
    tokens.waiting = new Promise((resolve) => (signIn = resolve));
    const request = make("PATCH", 204);
    const settled = vi.fn();
    void request.send().then(settled, settled);
    await request.abort();
    signIn();
    await new Promise((resolve) => setTimeout(resolve));
    expect(seen).toEqual([]);
    expect(settled).not.toHaveBeenCalled();
  });

  test("on its way is broken off", async () => {
    const request = make("PATCH", null);
    void request.send();
    await vi.waitFor(() => expect(seen).toHaveLength(1));
    await request.abort();
    expect((request.getUnderlyingObject() as unknown as Request).aborted).toBe(true);
  });
});

describe("what passes", () => {
  test.each([429, 500, 502, 503, 504])("%d to a HEAD counts as a lost connection, not as the loss of the upload", async (code) => {
    await expect(make("HEAD", code).send()).rejects.toThrow(String(code));
  });

  test.each([404, 410, 423, 204])("%d to a HEAD is the answer", async (code) => {
    expect(await status("HEAD", code)).toBe(code);
  });

  test.each([429, 503])("%d to a PATCH is the answer", async (code) => {
    expect(await status("PATCH", code)).toBe(code);
  });

  test.each([
    ["HEAD", 0, true],
    ["HEAD", 502, true],
    ["PATCH", 503, true],
    ["PATCH", 423, true],
    ["PATCH", 415, false],
    ["PATCH", 204, false],
  ])("%s answered %d is told as lost: %s", async (method, code, lost) => {
    const request = make(method, code);
    request.onlost = vi.fn();
    await request.send().catch(() => undefined);
    expect(vi.mocked(request.onlost).mock.calls.length > 0).toBe(lost);
  });
});

describe("a file that cannot be read", () => {
  test("is told from a lost connection", async () => {
    const gone = new Blob(["x"]);
    gone.slice = () => ({ arrayBuffer: () => Promise.reject(new DOMException("", "NotReadableError")) }) as unknown as Blob;
    await expect(make("PATCH", 0).send(gone)).rejects.toBeInstanceOf(UnreadableFile);
    await expect(make("PATCH", 0).send(new Blob(["x"]))).rejects.not.toBeInstanceOf(UnreadableFile);
  });
});
