import { expect, test } from "vitest";
import { isShared } from "./links";

const NOW = Date.parse("2026-11-20T10:00:00Z");

function link(expires: string, uses: number | null = null) {
  const times = { created_at: "2026-11-20T09:00:00.700000Z", expires_at: expires };
  return { id: "a", created_by: "ann", ...times, max_uses: uses, uses: 0 };
}

test.each([
  ["is good for a day", link("2026-11-21T09:00:00Z"), true],
  ["is good for one download in the time of one", link("2026-11-20T21:00:00Z", 1), true],
  ["a download has made for itself", link("2026-11-20T21:00:00Z"), false],
  ["has ended", link("2026-11-20T10:00:00Z", 1), false],
])("of a link that %s", (_, given, shared) => {
  expect(isShared(given, NOW)).toBe(shared);
});
