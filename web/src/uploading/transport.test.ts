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
  static last: Request;
  readonly upload: { onprogress?: (event: object) => void; onload?: () => void } = {};
  readonly headers: Record<string, string> = {};
  status = 0;
  responseText = "";
  method = "";
  aborted = false;
  onload: () => void = () => undefined;
  onerror: () => void = () => undefined;
  onloadend: () => void = () => undefined;

  constructor() {
    Request.last = this;
  }

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
    this.onloadend();
  }

  send(body: unknown): void {
    seen.push({ method: this.method, token: this.headers["Authorization"], body });
    const status = statuses.shift();
    if (status == null) return;
    this.status = status;
    queueMicrotask(() => {
      if (status) this.onload();
      else this.onerror();
      this.onloadend();
    });
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

describe("a request that nothing is heard of", () => {
  beforeEach(() => {
    vi.useFakeTimers();
    vi.stubGlobal("navigator", { onLine: true });
  });

  afterEach(() => vi.useRealTimers());

  /** Begin a request that is not answered; how it ended. */
  async function begin(method: string, body: unknown): Promise<{ ended: string; lost: boolean; sent: number[] }> {
    const found = { ended: "", lost: false, sent: [] as number[] };
    const request = make(method, null);
    request.onlost = () => (found.lost = true);
    request.setProgressHandler((sent) => found.sent.push(sent));
    void request.send(body).catch((error: unknown) => (found.ended = String(error)));
    await vi.advanceTimersByTimeAsync(0);
    return found;
  }

  function progress(loaded: number): void {
    Request.last.upload.onprogress?.({ lengthComputable: true, loaded });
  }

  test("is given up after a minute without a byte, and counts as a lost connection", async () => {
    const found = await begin("PATCH", "body");
    await vi.advanceTimersByTimeAsync(50_000);
    progress(10);
    await vi.advanceTimersByTimeAsync(59_999);
    expect(found).toEqual({ ended: "", lost: false, sent: [10] });
    await vi.advanceTimersByTimeAsync(1);
    expect(found).toMatchObject({ ended: expect.stringContaining("too long") as string, lost: true });
    expect(Request.last.aborted).toBe(true);
  });

  test("may be answered within five minutes once everything is sent", async () => {
    const found = await begin("PATCH", "body");
    progress(10);
    Request.last.upload.onload?.();
    await vi.advanceTimersByTimeAsync(299_999);
    expect(found.lost).toBe(false);
    await vi.advanceTimersByTimeAsync(1);
    expect(found.lost).toBe(true);
  });

  test.each([
    ["HEAD", 30_000],
    ["POST", 300_000],
  ])("is given up where it has no body: %s", async (method, time) => {
    const found = await begin(method, null);
    await vi.advanceTimersByTimeAsync(time - 1);
    expect(found.lost).toBe(false);
    await vi.advanceTimersByTimeAsync(1);
    expect(found.lost).toBe(true);
  });

  test("is left alone while there is no network", async () => {
    const found = await begin("PATCH", "body");
    vi.stubGlobal("navigator", { onLine: false });
    await vi.advanceTimersByTimeAsync(600_000);
    expect(found.lost).toBe(false);
    vi.stubGlobal("navigator", { onLine: true });
    await vi.advanceTimersByTimeAsync(60_000);
    expect(found.lost).toBe(true);
  });

  test("is not waited for any more once it is answered or ended", async () => {
    await status("PATCH", 204);
    expect(vi.getTimerCount()).toBe(0);
    const request = make("PATCH", null);
    void request.send("body");
    await vi.advanceTimersByTimeAsync(0);
    expect(vi.getTimerCount()).toBe(1);
    await request.abort();
    expect(vi.getTimerCount()).toBe(0);
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
