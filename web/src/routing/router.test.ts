import { expect, test } from "vitest";
import { link, parse } from "./router.svelte";

test.each([
  ["", [], ""],
  ["#/", [], ""],
  ["#/files", ["files"], ""],
  ["#/files/a%2Fb/", ["files", "a/b"], ""],
  ["#/files?q=x+y&sort=name", ["files"], "q=x+y&sort=name"],
  ["#/files/%E0%A4%A", ["files", "%E0%A4%A"], ""],
])("reads %s", (hash, path, query) => {
  const route = parse(hash);
  expect([route.path, route.query.toString()]).toEqual([path, query]);
});

test("a link leads back to where it was made from", () => {
  const hash = link(["files", "a/b?c#d"], { q: "ä & b" });
  expect(parse(hash).path).toEqual(["files", "a/b?c#d"]);
  expect(parse(hash).query.get("q")).toBe("ä & b");
});
