import { expect, test } from "vitest";
import { apiQuery, compare, EVERYTHING, matches, narrows, type Query, readQuery, type Sort, SORTS, writeQuery } from "./query";
import type { Upload } from "./types";

function upload(changed: Partial<Upload> = {}): Upload {
  return {
    id: "1a",
    state: "completed",
    offset: 10,
    length: 10,
    name: "Report.pdf",
    type: "application/pdf",
    owner: { id: "ada", name: "Ada" },
    created_at: "2026-03-01T12:00:00Z",
    completed_at: "2026-03-01T12:01:00Z",
    expires_at: null,
    ...changed,
  };
}

const SOME: Query = { name: "a&b c", state: "unfinished", owner: "me", kind: "image", sort: "largest" };

test("what is written to an address is read from it", () => {
  expect(readQuery(new URLSearchParams(writeQuery(SOME)))).toEqual(SOME);
  expect(readQuery(new URLSearchParams(writeQuery(EVERYTHING)))).toEqual(EVERYTHING);
});

test("an address has nothing that goes without saying", () => {
  expect(writeQuery(EVERYTHING)).toEqual({});
  expect(writeQuery({ ...EVERYTHING, kind: "pdf" })).toEqual({ kind: "pdf" });
});

test("passes over what an address should not have", () => {
  expect(readQuery(new URLSearchParams("state=gone&sort=__proto__&owner=bob&kind=exe"))).toEqual(EVERYTHING);
  expect(readQuery(new URLSearchParams({ name: "x".repeat(3000) })).name.length).toBe(255);
});

test("an order leaves nothing out", () => {
  expect(narrows({ ...EVERYTHING, sort: "name" })).toBe(false);
  expect(narrows({ ...EVERYTHING, name: "a" })).toBe(true);
  expect(narrows({ ...EVERYTHING, owner: "me" })).toBe(true);
});

test("asks the API for it", () => {
  expect(apiQuery(SOME)).toEqual({
    name: "a&b c",
    state: "unfinished",
    owner: "me",
    type: "image/*",
    sort: "size",
    order: "desc",
  });
  expect(apiQuery(EVERYTHING)).toEqual({ sort: "created_at", order: "desc" });
});

test.each<[string, Partial<Query>, Partial<Upload>, boolean]>([
  ["anything", {}, {}, true],
  ["unfinished among all", {}, { state: "unfinished" }, true],
  ["terminated", {}, { state: "terminated" }, false],
  ["expired", {}, { state: "expired" }, false],
  ["of the state", { state: "unfinished" }, { state: "unfinished" }, true],
  ["of another state", { state: "unfinished" }, {}, false],
  ["part of the name in other capitals", { name: "rEP" }, {}, true],
  ["another name", { name: "invoice" }, {}, false],
  ["no name", { name: "a" }, { name: null }, false],
  ["my own", { owner: "me" }, {}, true],
  ["somebody else's", { owner: "me" }, { owner: { id: "bob", name: null } }, false],
  ["nobody's", { owner: "me" }, { owner: null }, false],
  ["of the type", { kind: "pdf" }, {}, true],
  ["of all of a kind", { kind: "image" }, { type: "image/png" }, true],
  ["of another kind", { kind: "image" }, {}, false],
  ["of no type", { kind: "image" }, { type: null }, false],
])("tells whether it belongs into the list: %s", (_, query, changed, expected) => {
  expect(matches({ ...EVERYTHING, ...query }, upload(changed), "ada")).toBe(expected);
});

test.each<[Sort, string]>([
  ["newest", "c b a"],
  ["oldest", "a b c"],
  ["name", "c a b"],
  ["name-desc", "b a c"],
  ["largest", "a c b"],
  ["smallest", "b c a"],
])("orders like the server: %s", (sort, expected) => {
  const files = [
    upload({ id: "a", created_at: "2026-03-01T12:00:00.5Z", name: "beta", length: 30 }),
    upload({ id: "b", created_at: "2026-03-01T12:00:00.75Z", name: "Gamma", length: null }),
    upload({ id: "c", created_at: "2026-03-01T12:00:01Z", name: "ALPHA", length: 0 }),
  ];
  expect(files.toSorted((one, other) => compare(sort, one, other)).map((file) => file.id).join(" ")).toBe(expected);
});

test.each(SORTS)("the id decides between those that are alike: %s", (sort) => {
  const [one, other] = [upload({ id: "a" }), upload({ id: "b" })];
  const ascending = ["oldest", "name", "smallest"].includes(sort);
  expect(compare(sort, one, other) < 0).toBe(ascending);
  expect(compare(sort, one, one)).toBe(ascending ? 0 : -0);
});
