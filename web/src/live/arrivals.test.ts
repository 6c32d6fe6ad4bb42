import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { Arrivals } from "./arrivals";
import type { UploadData, UploadEvent } from "./messages";

function event(id: string, type = "completed", changed: Partial<UploadData> = {}): UploadEvent {
  const data = { id, owner: "bob", name: `${id}.txt`, partial: false, ...changed } as UploadData;
  return { kind: "upload", id: "1", type, data };
}

function listen() {
  const told: string[][] = [];
  const arrivals = new Arrivals(
    ({ ownerId }) => ownerId === "ada",
    (some) => told.push(some.map((arrival) => arrival.name)),
  );
  return { arrivals, told };
}

beforeEach(() => vi.useFakeTimers());

afterEach(() => vi.useRealTimers());

test("tells of a file of somebody else", () => {
  const { arrivals, told } = listen();
  arrivals.hear(event("a"));
  vi.advanceTimersByTime(1_000);
  expect(told).toEqual([["a.txt"]]);
});

test("tells once of files that come together", () => {
  const { arrivals, told } = listen();
  for (const id of ["a", "b", "c"]) arrivals.hear(event(id));
  vi.advanceTimersByTime(60_000);
  expect(told).toEqual([["a.txt", "b.txt", "c.txt"]]);
});

test("tells of the next ones together, a while after the last notice", () => {
  const { arrivals, told } = listen();
  arrivals.hear(event("a"));
  vi.advanceTimersByTime(1_000);
  arrivals.hear(event("b"));
  vi.advanceTimersByTime(5_000);
  arrivals.hear(event("c"));
  expect(told.length).toBe(1);
  vi.advanceTimersByTime(3_000);
  expect(told).toEqual([["a.txt"], ["b.txt", "c.txt"]]);
});

test("says nothing of one's own files, of parts, and of what has not arrived", () => {
  const { arrivals, told } = listen();
  arrivals.hear(event("a", "completed", { owner: "ada" }));
  arrivals.hear(event("b", "completed", { partial: true }));
  arrivals.hear(event("c", "created"));
  arrivals.hear(event("d", "progress"));
  vi.advanceTimersByTime(60_000);
  expect(told).toEqual([]);
});

test("says nothing of a file that has gone again", () => {
  const { arrivals, told } = listen();
  arrivals.hear(event("a"));
  arrivals.hear(event("b"));
  arrivals.hear(event("a", "terminated"));
  vi.advanceTimersByTime(1_000);
  expect(told).toEqual([["b.txt"]]);
});

test("tells of a file by the name that it has by then", () => {
  const { arrivals, told } = listen();
  arrivals.hear(event("a"));
  arrivals.hear(event("b"));
  arrivals.hear(event("a", "renamed", { name: "new.txt" }));
  arrivals.hear(event("c", "renamed", { name: "old news.txt" }));
  vi.advanceTimersByTime(60_000);
  expect(told).toEqual([["new.txt", "b.txt"]]);
});

test("says nothing once it is stopped", () => {
  const { arrivals, told } = listen();
  arrivals.hear(event("a"));
  arrivals.stop();
  vi.advanceTimersByTime(60_000);
  expect(told).toEqual([]);
});
