import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { Api } from "./client";
import { readProblem } from "./problem";

let asked: { url: string; method: string; token: string | null; body: unknown }[];
let answers: (() => Response)[];
let current: number;

const tokens = {
  token: () => Promise.resolve(current ? `token-${current}` : null),
  refused: () => {
    current += 1;
  },
};

beforeEach(() => {
  asked = [];
  current = 1;
  vi.stubGlobal("document", { baseURI: "http://localhost/below/?x=1#/files" });
  vi.stubGlobal("fetch", (url: string, { method = "", headers, body }: RequestInit) => {
    asked.push({ url, method, token: new Headers(headers).get("Authorization"), body });
    const answer = answers.shift();
    return answer ? Promise.resolve(answer()) : Promise.reject(new TypeError("Failed to fetch"));
  });
});

afterEach(() => vi.unstubAllGlobals());

const refused = (): Response => Response.json({ code: "invalid-token", title: "Invalid token" }, { status: 401 });

test("asks below the page's own path, with a token", async () => {
  answers = [() => Response.json({ items: [] })];
  const answer = await new Api(tokens).get("api/uploads", { query: { q: "a b", limit: 5, after: undefined } });
  expect(answer).toEqual({ items: [] });
  const url = "http://localhost/below/api/uploads?q=a+b&limit=5";
  expect(asked).toEqual([{ url, method: "GET", token: "Bearer token-1", body: null }]);
});

test("sends JSON, and takes an answer without content", async () => {
  answers = [() => new Response(null, { status: 204 })];
  expect(await new Api(tokens).patch("api/uploads/1", { name: "b" })).toBeUndefined();
  expect(asked[0]?.body).toBe('{"name":"b"}');
});

test("asks once more with another token after 401, and no more than that", async () => {
  answers = [refused, () => Response.json(1)];
  expect(await new Api(tokens).get("api/usage")).toBe(1);
  answers = [refused, refused];
  await expect(new Api(tokens).get("api/usage")).rejects.toMatchObject({ code: "invalid-token" });
  expect(asked.map((request) => request.token)).toEqual([1, 2, 2, 3].map((number) => `Bearer token-${number}`));
});

test("says what the server says, and when it says nothing", async () => {
  answers = [() => Response.json({ code: "quota-exceeded", title: "x", resets_at: "2026-11-21" }, { status: 413 })];
  const api = new Api(tokens);
  await expect(api.get("x")).rejects.toMatchObject({ problem: { status: 413, resets_at: "2026-11-21" }, passes: false });
  await expect(api.get("x")).rejects.toMatchObject({ code: "unreachable", passes: true });
});

test("leaves it to the caller who has stopped it", async () => {
  answers = [];
  const signal = AbortSignal.abort();
  await expect(new Api(tokens).get("x", { signal })).rejects.toBeInstanceOf(TypeError);
});

test.each(["", "<h1>Bad gateway</h1>", "null", "[]", '{"code": 1}'])("an answer of a proxy (%s) has a code as well", (body) => {
  expect(readProblem(502, body)).toEqual({ status: 502, code: "http-502", title: "HTTP 502", detail: "" });
});
