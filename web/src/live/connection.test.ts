import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { Connection, type Phase, type Socket } from "./connection";

const START = Date.parse("2026-03-01T12:00:00Z");

/** The other end of a connection, as the server behaves. */
class Peer implements Socket {
  onopen: WebSocket["onopen"] = null;
  onmessage: WebSocket["onmessage"] = null;
  onclose: WebSocket["onclose"] = null;
  closed = false;
  readonly received: string[] = [];

  constructor(
    readonly after: string | null,
    readonly token: string | null,
  ) {}

  send(text: string): void {
    this.received.push(text);
  }

  close(): void {
    this.closed = true;
  }

  accept(position: string): void {
    this.#socket.onopen?.(new Event("open"));
    this.say({ type: "position", after: position, current: position });
  }

  say(message: object): void {
    this.#socket.onmessage?.(new MessageEvent("message", { data: JSON.stringify(message) }));
  }

  tell(id: string, type = "completed"): void {
    this.say({ specversion: "1.0", id, type: `longshore.upload.${type}`, data: { id: `upload-${id}` } });
  }

  hangUp(code: number): void {
    this.#socket.onclose?.(Object.assign(new Event("close"), { code }) as CloseEvent);
  }

  get #socket(): WebSocket {
    return this as unknown as WebSocket;
  }
}

function connect() {
  const peers: Peer[] = [];
  const heard: string[] = [];
  const phases: Phase[] = [];
  const refused: string[] = [];
  const server = { answers: true, token: "first" as string | null, renewsAt: null as number | null, missed: 0, probed: 0 };
  const connection = new Connection(
    {
      open: (after, token) => {
        const peer = new Peer(after, token);
        peers.push(peer);
        return peer;
      },
      token: () => (server.answers ? Promise.resolve(server.token) : Promise.reject(new Error("unreachable"))),
      refused: (token) => {
        refused.push(token);
        server.token = "next";
      },
      renewsAt: () => server.renewsAt,
      probe: () => {
        server.probed += 1;
        return Promise.resolve(server.answers);
      },
      now: Date.now,
      random: () => 0,
    },
    {
      event: (event) => heard.push(event.data.id),
      missed: () => (server.missed += 1),
      phase: (phase) => phases.push(phase),
    },
  );
  const last = (): Peer => peers.at(-1) as Peer;
  return { connection, peers, heard, phases, refused, server, last };
}

beforeEach(() => vi.useFakeTimers({ now: START }));

afterEach(() => vi.useRealTimers());

async function passing(milliseconds: number): Promise<void> {
  await vi.advanceTimersByTimeAsync(milliseconds);
}

async function connected() {
  const all = connect();
  all.connection.start();
  await passing(0);
  all.last().accept("7");
  return all;
}

test("begins with what comes next, and has the list looked at again", async () => {
  const { last, phases, server } = await connected();
  expect(last().after).toBeNull();
  expect(last().token).toBe("first");
  expect(phases).toEqual(["live"]);
  expect(server.missed).toBe(1);
});

test("goes on after the last event, so that nothing is missed", async () => {
  const { last, heard, peers, server } = await connected();
  last().tell("8");
  last().tell("12");
  last().hangUp(1012);
  await passing(1_000);
  expect(peers.length).toBe(2);
  expect(last().after).toBe("12");
  last().accept("12");
  last().tell("13");
  expect(heard).toEqual(["upload-8", "upload-12", "upload-13"]);
  expect(server.missed).toBe(1);
});

test("goes on after the position where nothing was told", async () => {
  const { last } = await connected();
  last().hangUp(1006);
  await passing(1_000);
  expect(last().after).toBe("7");
});

test("progress changes nothing about where it goes on", async () => {
  const { last, heard } = await connected();
  last().tell("8");
  last().tell("progress-1a-500", "progress");
  last().hangUp(1006);
  await passing(1_000);
  expect(last().after).toBe("8");
  expect(heard.length).toBe(2);
});

test("has the list looked at where events are not kept any more", async () => {
  const { last, server } = await connected();
  last().hangUp(1006);
  await passing(1_000);
  last().accept("3");
  last().say({ type: "gap", after: "7" });
  expect(server.missed).toBe(2);
  last().hangUp(1006);
  await passing(1_000);
  expect(last().after).toBe("3");
});

test("waits longer after each failure, and not after it was connected", async () => {
  const { last, peers } = await connected();
  const pauses: number[] = [];
  for (let attempt = 0; attempt < 7; attempt += 1) {
    last().hangUp(1006);
    const before = peers.length;
    const since = Date.now();
    while (peers.length === before) await passing(500);
    pauses.push(Date.now() - since);
  }
  expect(pauses).toEqual([1, 2, 4, 8, 16, 30, 30].map((seconds) => seconds * 1_000));
  last().accept("7");
  last().hangUp(1006);
  const before = peers.length;
  await passing(1_000);
  expect(peers.length).toBe(before + 1);
});

test("says when the server cannot be reached, and when it is there again", async () => {
  const { last, phases, server } = await connected();
  server.answers = false;
  last().hangUp(1006);
  expect(phases.at(-1)).toBe("connecting");
  await passing(5_000);
  expect(phases.at(-1)).toBe("unreachable");
  server.answers = true;
  for (const before = last(); last() === before; ) await passing(500);
  last().accept("7");
  expect(phases.at(-1)).toBe("live");
});

test("has the list looked at from time to time where no WebSocket comes through", async () => {
  const { connection, last, phases, server } = connect();
  connection.start();
  await passing(0);
  last().hangUp(1006);
  await passing(1_000);
  last().hangUp(1006);
  await passing(0);
  expect(phases.at(-1)).toBe("connecting");
  expect(server.missed).toBe(1);
});

test("gives up the token that the server does not take any more", async () => {
  const { last, refused } = await connected();
  last().hangUp(4401);
  await passing(1_000);
  expect(refused).toEqual(["first"]);
  expect(last().token).toBe("next");
});

test("sends the next token when the old one should be renewed", async () => {
  const { connection, last, peers, server } = connect();
  server.renewsAt = START + 20_000;
  connection.start();
  await passing(0);
  last().accept("7");
  await passing(19_999);
  expect(last().received).toEqual([]);
  server.token = "second";
  server.renewsAt = START + 900_000;
  await passing(1);
  expect(last().received).toEqual(['{"type":"token","token":"second"}']);
  last().say({ type: "token", expires_at: "2026-03-01T12:15:00Z" });
  await passing(10_000);
  expect(peers.length).toBe(1);
});

test("finds out that nobody is there any more", async () => {
  const { last, peers } = await connected();
  await passing(60_000);
  expect(last().received.length).toBe(1);
  await passing(10_000);
  expect(peers[0]?.closed).toBe(true);
  await passing(1_000);
  expect(peers.length).toBe(2);
});

test("whatever is heard shows that somebody is there", async () => {
  const { last, peers } = await connected();
  await passing(60_000);
  last().tell("8");
  await passing(11_000);
  expect(peers.length).toBe(1);
});

test("gives up a handshake that is never answered", async () => {
  const { connection, peers } = connect();
  connection.start();
  await passing(12_000);
  expect(peers[0]?.closed).toBe(true);
  expect(peers.length).toBe(2);
});

test("comes back at once when it is told to hurry", async () => {
  const { connection, last, peers } = await connected();
  for (let attempt = 0; attempt < 4; attempt += 1) {
    last().hangUp(1006);
    await passing(2 ** attempt * 1_000);
  }
  last().hangUp(1006);
  await passing(1);
  const before = peers.length;
  connection.hurry();
  await passing(0);
  expect(peers.length).toBe(before + 1);
});

test("sees whether it is alive when it is told to hurry", async () => {
  const { connection, last, peers } = await connected();
  connection.hurry();
  await passing(0);
  expect(last().received.length).toBe(1);
  expect(peers.length).toBe(1);
});

test("says nothing more once it is stopped", async () => {
  const { connection, last, heard, peers } = await connected();
  const peer = last();
  connection.stop();
  peer.tell("8");
  peer.hangUp(1006);
  connection.hurry();
  await passing(120_000);
  expect(peer.closed).toBe(true);
  expect(heard).toEqual([]);
  expect(peers.length).toBe(1);
});
