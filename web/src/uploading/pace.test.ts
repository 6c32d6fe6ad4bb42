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

  test("sinks where nothing arrives any more, and is not told for long", () => {
    const pace = steady(5, 100);
    expect(pace.stalled(9999)).toBe(false);
    expect(pace.speed(9000)).toBeCloseTo(55.6, 1);
    expect(pace.stalled(10_000)).toBe(true);
    expect(pace.speed(10_000)).toBeNull();
    expect(pace.secondsLeft(10_000, 1000)).toBeNull();
  });

  test("is stalled where bytes never begin to go, and where none are added to those that have", () => {
    const pace = new Pace();
    expect(pace.stalled(60_000)).toBe(false);
    pace.note(0, 100);
    pace.note(4000, 100);
    expect(pace.stalled(5000)).toBe(true);
    pace.note(6000, 101);
    expect(pace.stalled(6000)).toBe(false);
  });

  test("tells how many bytes are new", () => {
    const pace = new Pace();
    expect([50, 80, 80, 20, 30].map((bytes, time) => pace.note(time, bytes))).toEqual([0, 30, 0, 0, 10]);
  });

  test("does not count what was sent before a pause, or is sent again", () => {
    const pace = steady(5, 100);
    steady(5, 10, pace, { time: 60_000, bytes: 200 });
    expect(pace.speed(65_000)).toBe(10);
  });
});
