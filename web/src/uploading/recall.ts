/**
 * Uploads that this browser began before the page was loaded: which there are, and how much of them the server has.
 *
 * Golden Retriever writes down now and then what it knows, and not when a page is left: its numbers are old, and what
 * was chosen last may be missing. tus-js-client notes each upload as soon as the server has created it.
 */

import * as tus from "tus-js-client";
import type { TokenSource } from "../api/client";
import { creationUrl, type Engine, hasUploader } from "./engine";
import { type UploadFile, uploadUrl } from "./items";
import { Transport } from "./transport";

interface Begun {
  /** Uppy's id of the file. */
  readonly id: string;
  readonly url: string;
  readonly size: number;
  readonly metadata: Readonly<Record<string, string>>;
  forget(): Promise<void>;
}

/** Answers by which the server says that it has no such upload. */
const GONE = [403, 404, 410];

/** Show what the server has of each upload that waits for somebody, and those that Golden Retriever knows nothing of. */
export async function recall(uppy: Engine, uploadPath: string, tokens: TokenSource): Promise<void> {
  const begun = await begunHere(uppy.getID(), creationUrl(uploadPath));
  for (const file of uppy.getFiles()) {
    const noted = begun.find(({ id }) => id === file.id);
    const url = uploadUrl(file) ?? noted?.url;
    if (!url || !isWaiting(uppy, file)) continue;
    const offset = await ask(url, tokens);
    if (isOver(offset, file.size)) await noted?.forget();
    update(uppy, file.id, url, offset);
  }
  for (const one of begun) {
    if (one.id in uppy.getState().files) continue;
    const offset = await ask(one.url, tokens);
    if (isOver(offset, one.size)) await one.forget();
    else if (typeof offset === "number" && !(one.id in uppy.getState().files)) {
      uppy.setState({ files: { ...uppy.getState().files, [one.id]: withoutData(one, offset) } });
    }
  }
}

/** What tus-js-client has noted of one person's uploads. */
async function begunHere(engineId: string, endpoint: string): Promise<Begun[]> {
  const [start, end] = [`tus::tus-${engineId}-`, `-${endpoint}::`];
  const storage = tus.defaultOptions.urlStorage;
  const noted = (await storage.findAllUploads()) as (tus.PreviousUpload & { uploadUrl?: string })[];
  return noted.flatMap(({ urlStorageKey: key, uploadUrl: at, size, metadata }) => {
    if (!key.startsWith(start) || !key.includes(end) || !at || size === null) return [];
    const id = key.slice("tus::tus-".length, key.lastIndexOf(end));
    return [{ id, url: at, size, metadata, forget: () => storage.removeUpload(key) }];
  });
}

/** The offset of an upload; null where the server cannot tell just now. */
async function ask(url: string, tokens: TokenSource): Promise<number | "gone" | null> {
  const request = new Transport(tokens).createRequest("HEAD", url);
  request.setHeader("Tus-Resumable", "1.0.0");
  const answer = await request.send().catch(() => null);
  if (answer && GONE.includes(answer.getStatus())) return "gone";
  const offset = Number.parseInt(answer?.getHeader("Upload-Offset") ?? "", 10);
  return Number.isNaN(offset) ? null : offset;
}

function isOver(offset: number | "gone" | null, size: number | null): boolean {
  return offset === "gone" || offset === size;
}

/** Show the answer at an upload that is in the list. */
function update(uppy: Engine, id: string, url: string, offset: number | "gone" | null): void {
  const file = uppy.getFile(id) as UploadFile | undefined;
  // Somebody may have gone on with it, or cancelled it, while the server was asked.
  if (!file || !isWaiting(uppy, file) || offset === null) return;
  const kept = offset === "gone" ? null : url;
  const sent = offset === "gone" ? 0 : offset;
  const progress = progressOf(sent, file.size ?? 0);
  uppy.setFileState(id, { tus: { ...file.tus, uploadUrl: kept }, progress, isGhost: file.isGhost && !progress.uploadComplete });
}

function isWaiting(uppy: Engine, file: UploadFile): boolean {
  const waits = Boolean(file.isGhost || file.isPaused || file.error);
  return waits && !file.progress.uploadComplete && !hasUploader(uppy, file.id);
}

function progressOf(sent: number, size: number): UploadFile["progress"] & { uploadComplete: boolean } {
  const percentage = size ? Math.floor((sent / size) * 100) : 0;
  const end = sent === size ? { uploadComplete: true, complete: true as const } : { uploadComplete: false };
  return { uploadStarted: 1, bytesUploaded: sent, bytesTotal: size, percentage, ...end };
}

/** An entry of an upload whose file has to be chosen again. */
function withoutData({ id, url, size, metadata }: Begun, sent: number): UploadFile {
  const { name = "", type = "", relativePath } = metadata;
  // Uppy writes down that there is no path as "null".
  const path = relativePath === "null" ? undefined : relativePath;
  return {
    id,
    name,
    type,
    size,
    extension: "",
    meta: { name, type, ...(path !== undefined && { relativePath: path }) },
    progress: progressOf(sent, size),
    tus: { uploadUrl: url },
    isGhost: true,
    isRestored: true,
    isRemote: false,
    data: undefined,
  };
}
