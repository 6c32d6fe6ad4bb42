/** Uploads as they are shown: what Uppy knows of a file, put into one word. */

import type { Meta, UppyFile } from "@uppy/core";

/**
 * `checking` asks the server how much it has, `waiting` tries again after a failure that passes, `lost` needs its file
 * chosen again, `finishing` has sent everything and waits for the server's word.
 */
export type State =
  | "queued"
  | "checking"
  | "uploading"
  | "finishing"
  | "waiting"
  | "paused"
  | "failed"
  | "lost"
  | "done";

/** What requests say of an upload that is under way. */
export type Activity = "checking" | "uploading" | "waiting";

export interface Item {
  readonly id: string;
  readonly name: string;
  /** The folder that it was dropped with, if any. */
  readonly folder: string;
  readonly size: number;
  readonly sent: number;
  readonly state: State;
  /** Whether nothing has got through for a while, though it should. */
  readonly stalled: boolean;
  /** Bytes per second, while it is known. */
  readonly speed: number | null;
  readonly secondsLeft: number | null;
  /** Why it has failed. */
  readonly failure: string;
  /** The file's id on the server, once it is uploaded. */
  readonly fileId: string | null;
}

/** Several uploads taken together. */
export interface Total {
  readonly size: number;
  readonly sent: number;
  /** Bytes that go, or are about to: not those of what is paused, or waits for somebody. */
  readonly rest: number;
}

export interface UploadMeta extends Meta {
  relativePath?: string | null;
}

export interface UploadBody extends Record<string, unknown> {
  xhr: XMLHttpRequest;
}

export type UploadFile = UppyFile<UploadMeta, UploadBody>;

/** States in which bytes go, or are about to. */
const RUNNING: readonly State[] = ["queued", "checking", "uploading", "finishing", "waiting"];

export function isRunning(item: Item): boolean {
  return RUNNING.includes(item.state);
}

export function totalOf(items: readonly Item[]): Total {
  const sum = (of: readonly Item[], value: (item: Item) => number): number => of.reduce((all, item) => all + value(item), 0);
  return {
    size: sum(items, (item) => item.size),
    sent: sum(items, (item) => item.sent),
    rest: sum(items.filter(isRunning), (item) => item.size - item.sent),
  };
}

export function stateOf(file: UploadFile, activity: Activity | undefined): State {
  if (file.progress.uploadComplete) return "done";
  if (file.isGhost) return "lost";
  if (file.error) return "failed";
  if (file.isPaused) return "paused";
  if (!activity) return "queued";
  if (activity === "uploading" && sentOf(file) >= (file.size ?? Infinity)) return "finishing";
  return activity;
}

export function sentOf(file: UploadFile): number {
  return file.progress.bytesUploaded || 0;
}

export function folderOf(file: UploadFile): string {
  const path = file.meta.relativePath ?? "";
  return path.slice(0, Math.max(0, path.lastIndexOf("/"))).replace(/^\//, "");
}

/** Where the server has the upload, once that is known. */
export function uploadUrl(file: UploadFile): string | null {
  return file.uploadURL ?? file.tus?.uploadUrl ?? null;
}

/** Whether a file is the one of an entry that has lost it: Uppy's ids end in size and time of change. */
export function isSameFile(file: File, entry: UploadFile): boolean {
  return file.name === entry.name && entry.id.endsWith(`-${file.size}-${file.lastModified}`);
}
