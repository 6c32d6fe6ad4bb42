import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { Notices } from "./notices.svelte";

const ACTION = { label: "Show", run: () => undefined };

let notices: Notices;

beforeEach(() => {
  vi.useFakeTimers();
  notices = new Notices();
});

afterEach(() => vi.useRealTimers());

function shown(): string[] {
  return notices.list.map((notice) => notice.text);
}

test("go by themselves, those with a button later, and errors not at all", () => {
  notices.tell("plain");
  notices.tell("with a button", ACTION);
  notices.warn("wrong");
  vi.advanceTimersByTime(7_999);
  expect(shown()).toEqual(["plain", "with a button", "wrong"]);
  vi.advanceTimersByTime(1);
  expect(shown()).toEqual(["with a button", "wrong"]);
  vi.advanceTimersByTime(12_000);
  expect(shown()).toEqual(["wrong"]);
  vi.advanceTimersByTime(3_600_000);
  expect(shown()).toEqual(["wrong"]);
});

test("stay while somebody is at one of them, and have their time again afterwards", () => {
  notices.tell("one");
  vi.advanceTimersByTime(7_000);
  const release = notices.hold();
  notices.tell("two");
  vi.advanceTimersByTime(60_000);
  expect(shown()).toEqual(["one", "two"]);
  release();
  vi.advanceTimersByTime(7_999);
  expect(shown()).toEqual(["one", "two"]);
  vi.advanceTimersByTime(1);
  expect(shown()).toEqual([]);
});

test("are four at a time", () => {
  for (const number of [1, 2, 3, 4, 5]) notices.tell(`${number}`);
  expect(shown()).toEqual(["2", "3", "4", "5"]);
});

test("are shown in the topmost dialog, whichever closes first", () => {
  const [closeOne, closeOther] = [notices.enter("one"), notices.enter("other")];
  expect(notices.place).toBe("other");
  closeOne();
  expect(notices.place).toBe("other");
  closeOther();
  expect(notices.place).toBe("");
});
