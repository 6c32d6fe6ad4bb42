import { describe, expect, test } from "vitest";
import { Pace } from "./pace";

function steady(seconds: number, bytesPerSecond: number, pace = new Pace(), from = { time: 0, bytes: 0 }): Pace {
  for (let second = 0; second <= seconds; second += 1) {
    pace.note(from.time + second * 1000, from.bytes + second * bytesPerSecond);
  }
  return pace;
}

describe("pace", () => {
  test("is unknown at first", () => {
    const pace = new Pace();
    expect(pace.speed(0)).toBeNull();
    pace.note(0, 0);
    pace.note(400, 100);
    expect(pace.speed(400)).toBeNull();
    expect(pace.secondsLeft(400, 1000)).toBeNull();
  });

  test("is that of a steady transfer, and tells how long the rest takes", () => {
    const pace = steady(5, 100);
    expect(pace.speed(5000)).toBe(100);
    expect(pace.secondsLeft(5000, 1000)).toBe(10);
  });

  test("follows a network that has become slow", () => {
    const pace = steady(20, 1000);
    steady(20, 10, pace, { time: 20_000, bytes: 20_000 });
    expect(pace.speed(40_000)).toBe(10);
  });

  test("sinks where nothing arrives any more", () => {
    const pace = steady(5, 100);
    expect(pace.speed(10_000)).toBe(50);
  });

  test("does not count what was sent before a pause, or is sent again", () => {
    const pace = steady(5, 100);
    steady(5, 10, pace, { time: 60_000, bytes: 200 });
    expect(pace.speed(65_000)).toBe(10);
  });
});
