/** What is looked for, and in which order: as it stands in the address, as the API takes it, and applied to one file. */

import type { Upload } from "./types";

export const STATES = ["all", "completed", "unfinished"] as const;
export const OWNERS = ["everybody", "me"] as const;
export const KINDS = ["any", "image", "video", "audio", "text", "pdf", "zip"] as const;
export const SORTS = ["newest", "oldest", "name", "name-desc", "largest", "smallest"] as const;

export type Sort = (typeof SORTS)[number];

export interface Query {
  /** A part of the name. */
  readonly name: string;
  readonly state: (typeof STATES)[number];
  readonly owner: (typeof OWNERS)[number];
  readonly kind: (typeof KINDS)[number];
  readonly sort: Sort;
}

export const EVERYTHING: Query = { name: "", state: "all", owner: "everybody", kind: "any", sort: "newest" };

const LONGEST_NAME = 255;

const MEDIA_TYPES = {
  image: "image/*",
  video: "video/*",
  audio: "audio/*",
  text: "text/*",
  pdf: "application/pdf",
  zip: "application/zip",
} as const;

const ORDERS: Readonly<Record<Sort, readonly [key: "created_at" | "name" | "size", order: "asc" | "desc"]>> = {
  newest: ["created_at", "desc"],
  oldest: ["created_at", "asc"],
  name: ["name", "asc"],
  "name-desc": ["name", "desc"],
  largest: ["size", "desc"],
  smallest: ["size", "asc"],
};

/** Read it from an address; what is not known there is as if it were not there. */
export function readQuery(given: URLSearchParams): Query {
  return {
    name: (given.get("name") ?? "").slice(0, LONGEST_NAME),
    state: oneOf(STATES, given.get("state")),
    owner: oneOf(OWNERS, given.get("owner")),
    kind: oneOf(KINDS, given.get("kind")),
    sort: oneOf(SORTS, given.get("sort")),
  };
}

/** The part of it that an address needs. */
export function writeQuery(query: Query): Record<string, string> {
  const names = Object.keys(EVERYTHING) as (keyof Query)[];
  return Object.fromEntries(names.filter((name) => query[name] !== EVERYTHING[name]).map((name) => [name, query[name]]));
}

/** Whether it leaves anything out. */
export function narrows(query: Query): boolean {
  return Object.keys(writeQuery({ ...query, sort: EVERYTHING.sort })).length > 0;
}

/** It as `GET /api/uploads` takes it. */
export function apiQuery(query: Query): Record<string, string | undefined> {
  const [sort, order] = ORDERS[query.sort];
  return {
    name: query.name || undefined,
    state: query.state === "all" ? undefined : query.state,
    owner: query.owner === "me" ? "me" : undefined,
    type: query.kind === "any" ? undefined : MEDIA_TYPES[query.kind],
    sort,
    order,
  };
}

/** Whether a file belongs into the list, for the user of this id. */
export function matches(query: Query, upload: Upload, userId: string): boolean {
  return (
    (query.state === "all" ? ["completed", "unfinished"].includes(upload.state) : upload.state === query.state) &&
    (query.owner === "everybody" || upload.owner?.id === userId) &&
    (upload.name ?? "").toLowerCase().includes(query.name.toLowerCase()) &&
    (query.kind === "any" || isOfType(upload.type ?? "", MEDIA_TYPES[query.kind]))
  );
}

/** Which of two files comes first: negative for the first one. */
export function compare(sort: Sort, one: Upload, other: Upload): number {
  const [key, order] = ORDERS[sort];
  const difference = compareKeys(sortKey(one, key), sortKey(other, key)) || compareKeys(one.id, other.id);
  return order === "asc" ? difference : -difference;
}

function sortKey(upload: Upload, key: "created_at" | "name" | "size"): number | string {
  switch (key) {
    case "created_at":
      return Date.parse(upload.created_at);
    case "name":
      return (upload.name ?? "").toLowerCase();
    case "size":
      return upload.length ?? -1;
  }
}

function compareKeys(one: number | string, other: number | string): number {
  return one < other ? -1 : one > other ? 1 : 0;
}

function isOfType(type: string, wanted: string): boolean {
  return wanted.endsWith("*") ? type.startsWith(wanted.slice(0, -1)) : type === wanted;
}

function oneOf<Value extends string>(values: readonly [Value, ...Value[]], given: string | null): Value {
  return values.find((value) => value === given) ?? values[0];
}
