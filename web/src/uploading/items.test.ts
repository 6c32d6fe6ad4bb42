import { describe, expect, test } from "vitest";
import { folderOf, isSameFile, type Item, stateOf, totalOf, type UploadFile, uploadUrl } from "./items";

type Changes = Partial<Omit<UploadFile, "progress" | "meta">> & { sent?: number; done?: boolean; path?: string };

function file({ sent = 0, done = false, path, ...changes }: Changes = {}): UploadFile {
  const progress = { bytesUploaded: sent, bytesTotal: 100, uploadComplete: done, uploadStarted: 1 };
  const meta = { name: "a.iso", relativePath: path ?? null };
  return { id: "u-a.iso-100-7", name: "a.iso", size: 100, ...changes, meta, progress } as unknown as UploadFile;
}

describe("the state of an upload", () => {
  test.each([
    ["queued", file(), undefined],
    ["checking", file(), "checking"],
    ["uploading", file({ sent: 50 }), "uploading"],
    ["finishing", file({ sent: 100 }), "uploading"],
    ["waiting", file({ sent: 50 }), "waiting"],
    ["paused", file({ isPaused: true }), "uploading"],
    ["failed", file({ error: "no" }), "uploading"],
    ["lost", file({ isGhost: true, error: "no", isPaused: true }), undefined],
    ["done", file({ done: true, sent: 100 }), "uploading"],
  ] as const)("is %s", (state, upload, activity) => {
    expect(stateOf(upload, activity)).toBe(state);
  });
});

test("the folder is the path without the name", () => {
  expect(folderOf(file())).toBe("");
  expect(folderOf(file({ path: "tree/sub/a.iso" }))).toBe("tree/sub");
  expect(folderOf(file({ path: "/tree/a.iso" }))).toBe("tree");
});

test("a file is known again by its name, size and time of change", () => {
  const chosen = (name: string, size: number, lastModified: number): File =>
    new File([new Uint8Array(size)], name, { lastModified });
  expect(isSameFile(chosen("a.iso", 100, 7), file())).toBe(true);
  expect(isSameFile(chosen("b.iso", 100, 7), file())).toBe(false);
  expect(isSameFile(chosen("a.iso", 99, 7), file())).toBe(false);
  expect(isSameFile(chosen("a.iso", 100, 8), file())).toBe(false);
});

test("of several uploads only what is to go by itself is left", () => {
  const item = (state: Item["state"], sent: number): Item => ({ state, sent, size: 100 }) as Item;
  const items = [item("done", 100), item("uploading", 40), item("queued", 0), item("paused", 10), item("lost", 20)];
  expect(totalOf(items)).toEqual({ size: 500, sent: 170, rest: 160 });
  expect(totalOf([])).toEqual({ size: 0, sent: 0, rest: 0 });
});

test("where an upload is, is known from its creation on, or from its end", () => {
  expect(uploadUrl(file())).toBeNull();
  expect(uploadUrl(file({ tus: { uploadUrl: "/files/a" } }))).toBe("/files/a");
  expect(uploadUrl(file({ uploadURL: "/files/b" }))).toBe("/files/b");
});
