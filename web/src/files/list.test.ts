import { expect, test } from "vitest";
import type { Options } from "../api/client";
import { unreachable } from "../api/problem";
import type { UploadData, UploadEvent } from "../live/messages";
import { FileList, PAGE } from "./list.svelte";
import { EVERYTHING, type Query } from "./query";
import type { Upload, UploadPage } from "./types";

function upload(number: number, changed: Partial<Upload> = {}): Upload {
  return {
    id: `id-${String(number).padStart(3, "0")}`,
    state: "completed",
    offset: 10,
    length: 10,
    name: `file ${number}.txt`,
    type: "text/plain",
    owner: { id: "bob", name: "Bob" },
    created_at: new Date(Date.UTC(2026, 2, 1, 0, 0, number)).toISOString(),
    completed_at: null,
    expires_at: null,
    ...changed,
  };
}

function event(type: string, of: Upload, changed: Partial<UploadData> = {}): UploadEvent {
  const data = {
    id: of.id,
    owner: of.owner?.id ?? "",
    name: of.name ?? "",
    media_type: of.type ?? "",
    size: of.length,
    offset: of.offset,
    state: of.state,
    partial: false,
    created_at: of.created_at,
    completed_at: of.completed_at,
    expires_at: of.expires_at,
    ...changed,
  };
  return { kind: "upload", id: "1", type, data };
}

/** A server with files, the newest first; the cursor is how many came before. */
class Server {
  readonly requests: Record<string, unknown>[] = [];
  down = false;
  #held: (() => void)[] | null = null;

  constructor(public files: Upload[]) {}

  /** Let requests wait until `release`. */
  hold(): void {
    this.#held = [];
  }

  release(): void {
    this.#held?.forEach((go) => go());
    this.#held = null;
  }

  async get<Answer>(_path: string, { query = {}, signal }: Options = {}): Promise<Answer> {
    this.requests.push(query);
    const first = Number(query["cursor"] ?? 0);
    const end = first + Number(query["limit"]);
    const page: UploadPage = {
      uploads: this.files.slice(first, end),
      next: end < this.files.length ? String(end) : null,
    };
    if (this.#held) await new Promise<void>((resolve) => this.#held?.push(resolve));
    signal?.throwIfAborted();
    if (this.down) throw unreachable();
    return page as Answer;
  }
}

function newestFirst(count: number): Upload[] {
  return Array.from({ length: count }, (_, index) => upload(count - index));
}

async function shown(files: Upload[], query: Query = EVERYTHING) {
  const server = new Server(files);
  const list = new FileList(server, "ada");
  await list.show(query);
  return { server, list, names: (): (string | null)[] => list.files.map((file) => file.name) };
}

test("shows the first page, and says that there is more", async () => {
  const { list, server } = await shown(newestFirst(PAGE + 1));
  expect(list.files.length).toBe(PAGE);
  expect(list.hasMore).toBe(true);
  expect(server.requests).toEqual([{ sort: "created_at", order: "desc", limit: PAGE, cursor: undefined }]);
});

test("goes on with the cursor, to the end", async () => {
  const { list, server } = await shown(newestFirst(PAGE + 10));
  await list.more();
  expect(server.requests[1]).toMatchObject({ cursor: String(PAGE) });
  expect(new Set(list.files.map((file) => file.id)).size).toBe(PAGE + 10);
  expect(list.hasMore).toBe(false);
  await list.more();
  expect(server.requests.length).toBe(2);
});

test("shows nothing twice where a page has what is there already", async () => {
  const { list, server } = await shown(newestFirst(PAGE + 10));
  server.files = [upload(999), ...server.files];
  await list.more();
  expect(new Set(list.files.map((file) => file.id)).size).toBe(list.files.length);
});

test("an empty list is a list", async () => {
  const { list } = await shown([]);
  expect(list.loaded).toBe(true);
  expect(list.failure).toBeNull();
});

test("keeps what it shows while another list is on its way", async () => {
  const { list, server, names } = await shown(newestFirst(2));
  server.hold();
  const showing = list.show({ ...EVERYTHING, name: "else" });
  expect(names().length).toBe(2);
  expect(list.loading).toBe(true);
  server.files = [upload(7, { name: "else.txt" })];
  server.release();
  await showing;
  expect(list.loading).toBe(false);
});

test("the list that was asked for last counts, whichever answer comes first", async () => {
  const { list, server, names } = await shown(newestFirst(1));
  server.hold();
  server.files = [upload(1, { name: "ab.txt" }), upload(2, { name: "abc.txt" })];
  const first = list.show({ ...EVERYTHING, name: "ab" });
  server.files = [upload(2, { name: "abc.txt" })];
  const second = list.show({ ...EVERYTHING, name: "abc" });
  server.release();
  await Promise.all([first, second]);
  expect(names()).toEqual(["abc.txt"]);
  expect(list.failure).toBeNull();
});

test("keeps the list where it could not be read anew", async () => {
  const { list, server } = await shown(newestFirst(3));
  server.down = true;
  await list.reload();
  expect(list.files.length).toBe(3);
  expect(list.failure).not.toBeNull();
  server.down = false;
  await list.reload();
  expect(list.failure).toBeNull();
});

test("shows no files of another search where the one asked for could not be had", async () => {
  const { list, server } = await shown(newestFirst(3));
  server.down = true;
  await list.show({ ...EVERYTHING, name: "else" });
  expect(list.files).toEqual([]);
  expect(list.loaded).toBe(false);
  expect(list.failure).not.toBeNull();
});

test("reads anew as many as are shown", async () => {
  const { list, server } = await shown(newestFirst(PAGE * 2));
  await list.more();
  await list.reload();
  expect(server.requests.at(-1)).toMatchObject({ limit: PAGE * 2, cursor: undefined });
});

test("a new file appears where it belongs", async () => {
  const { list, names } = await shown([upload(9), upload(5)]);
  list.hear(event("completed", upload(7)));
  list.hear(event("completed", upload(11)));
  list.hear(event("completed", upload(1)));
  expect(names()).toEqual(["file 11.txt", "file 9.txt", "file 7.txt", "file 5.txt", "file 1.txt"]);
});

test("a file behind the last page that is shown waits for its own", async () => {
  const { list } = await shown(newestFirst(PAGE + 1));
  list.hear(event("completed", upload(0)));
  expect(list.files.length).toBe(PAGE);
});

test("a file that was not looked for does not appear", async () => {
  const { list, names } = await shown([upload(5)], { ...EVERYTHING, name: "file" });
  list.hear(event("completed", upload(6, { name: "other.txt" })));
  expect(names()).toEqual(["file 5.txt"]);
});

test("parts of a file do not appear", async () => {
  const { list } = await shown([]);
  list.hear(event("completed", upload(6), { partial: true }));
  expect(list.files).toEqual([]);
});

test.each(["terminated", "expired"])("a file that has gone disappears: %s", async (state) => {
  const { list, names } = await shown([upload(6), upload(5)]);
  list.hear(event(state, upload(6, { state })));
  expect(names()).toEqual(["file 5.txt"]);
});

test("progress is shown of what is there, and brings nothing new", async () => {
  const half = upload(6, { state: "unfinished", offset: 2 });
  const { list } = await shown([half]);
  list.hear(event("progress", half, { offset: 5 }));
  list.hear(event("progress", upload(7, { state: "unfinished" })));
  expect(list.files.map((file) => file.offset)).toEqual([5]);
});

test("an unfinished upload that is finished stays in its place, with its owner", async () => {
  const { list } = await shown([upload(8), upload(6, { state: "unfinished", offset: 2 }), upload(5)]);
  list.hear(event("completed", upload(6)));
  expect(list.files[1]).toMatchObject({ state: "completed", offset: 10, owner: { name: "Bob" } });
});

test("an unfinished upload that is finished leaves the unfinished ones", async () => {
  const { list } = await shown([upload(6, { state: "unfinished" })], { ...EVERYTHING, state: "unfinished" });
  list.hear(event("completed", upload(6)));
  expect(list.files).toEqual([]);
});

test("a late event does not bring back the name that a file had", async () => {
  const { list, names } = await shown([upload(6, { name: "new.txt" })]);
  list.hear(event("completed", upload(6, { name: "old.txt" })));
  expect(names()).toEqual(["new.txt"]);
});

test("a file that was renamed elsewhere stays in its place, under its new name", async () => {
  const { list, names } = await shown([upload(6), upload(5), upload(4)]);
  list.hear(event("renamed", upload(5, { name: "new.txt" }), { previous_name: "file 5.txt" }));
  list.hear(event("progress", upload(5)));
  expect(names()).toEqual(["file 6.txt", "new.txt", "file 4.txt"]);
});

test("a new name brings a file into what is searched for, and out of it", async () => {
  const { list, names } = await shown([upload(6, { name: "report" })], { ...EVERYTHING, name: "report" });
  list.hear(event("renamed", upload(5, { name: "Report 2" })));
  list.hear(event("renamed", upload(6, { name: "old" })));
  expect(names()).toEqual(["Report 2"]);
});

test("a new file comes with its owner's name, where there is one", async () => {
  const { list } = await shown([]);
  list.hear(event("completed", upload(6), { owner_name: "Bob" }));
  list.hear(event("completed", upload(7)));
  expect(list.files.map((file) => file.owner)).toEqual([
    { id: "bob", name: null },
    { id: "bob", name: "Bob" },
  ]);
});

test("what happens while a page is on its way is not lost", async () => {
  const { list, server, names } = await shown([upload(6), upload(5)]);
  server.hold();
  const reading = list.reload();
  list.hear(event("completed", upload(7)));
  list.hear(event("terminated", upload(5, { state: "terminated" })));
  server.release();
  await reading;
  expect(names()).toEqual(["file 7.txt", "file 6.txt"]);
});

test("a file is shown as it is after it was renamed or deleted here", async () => {
  const { list, names } = await shown([upload(6), upload(5)]);
  list.update(upload(5, { name: "renamed.txt" }));
  list.remove(upload(6).id);
  expect(names()).toEqual(["renamed.txt"]);
});
