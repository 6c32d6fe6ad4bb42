import { expect, test } from "vitest";
import { readMessage } from "./messages";

test("reads events, with the prefix of their type taken off", () => {
  const text = '{"specversion":"1.0","id":"9","type":"longshore.upload.completed","data":{"id":"1a"}}';
  expect(readMessage(text)).toEqual({ kind: "upload", id: "9", type: "completed", data: { id: "1a" } });
});

test("nobody can go on after progress", () => {
  const text = '{"specversion":"1.0","id":"progress-1a-500","type":"longshore.upload.progress","data":{"id":"1a"}}';
  expect(readMessage(text)).toMatchObject({ id: null, type: "progress" });
});

test("reads what the hub says for itself", () => {
  expect(readMessage('{"type":"position","after":"7","current":"9"}')).toEqual({ kind: "position", after: "7" });
  expect(readMessage('{"type":"gap","after":"7"}')).toEqual({ kind: "gap" });
  expect(readMessage('{"type":"token","expires_at":null}')).toEqual({ kind: "token" });
});

test("passes over what it does not know", () => {
  expect(readMessage('{"type":"news"}')).toBeNull();
  expect(readMessage('{"specversion":"1.0","id":"9","type":"org.example.other","data":{}}')).toBeNull();
});
