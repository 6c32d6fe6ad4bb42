/** Uppy as the client uses it: tus with the session's tokens, and Golden Retriever. No plugin of it draws anything. */

import { Uppy } from "@uppy/core";
import GoldenRetriever from "@uppy/golden-retriever";
import Tus from "@uppy/tus";
import type { TokenSource } from "../api/client";
import { url } from "../api/request";
import type { Activity, UploadBody, UploadFile, UploadMeta } from "./items";
import { KEPT_FOR } from "./kept";
import { Transport, TransportRequest, UnreadableFile } from "./transport";

export type Engine = Uppy<UploadMeta, UploadBody>;

/** Uploads at a time. Browsers open six connections to a server; the rest of the page needs some. */
const AT_ONCE = 3;

/**
 * Bytes of one PATCH. Enough that the pauses in between cost nothing, below the 100 MB that widespread proxies take,
 * and all that is lost where a proxy keeps a request to itself until it is whole.
 */
const CHUNK = 64 * 1024 * 1024;

/** Bytes that are sent along when an upload is created: what it costs little to send twice, should the answer be lost. */
const SMALL = 1024 * 1024;

/** Milliseconds before each further attempt; about a day in all, counted anew whenever bytes have got through. */
const RETRIES = [500, 1000, 2000, 4000, 8000, ...Array.from({ length: 6000 }, () => 15_000)];

export interface EngineOptions {
  /** Whose uploads they are: nobody else's are resumed or restored. */
  readonly userId: string;
  /** Path of the creation URL. */
  readonly uploadPath: string;
  readonly tokens: TokenSource;
  /** Whether uploads survive a reload: in one tab alone, or two would send the same file. */
  readonly kept: boolean;
  /** Told what an upload is doing. */
  readonly onactivity: (fileId: string, activity: Activity) => void;
}

export function createEngine({ userId, uploadPath, tokens, kept, onactivity }: EngineOptions): Engine {
  const silent = { debug: nothing, warn: nothing, error: nothing };
  const uppy: Engine = new Uppy<UploadMeta, UploadBody>({ id: `longshore-${userId}`, logger: silent });
  uppy.use(Tus<UploadMeta, UploadBody>, {
    endpoint: creationUrl(uploadPath),
    httpStack: new Transport(tokens),
    limit: AT_ONCE,
    chunkSize: CHUNK,
    retryDelays: RETRIES,
    removeFingerprintOnSuccess: true,
    onShouldRetry: (error, _attempt, _options, usual) => {
      if (error.causingError instanceof UnreadableFile) return false;
      return error.originalResponse?.getStatus() === 401 || usual(error);
    },
    onBeforeRequest: (request, file) => {
      onactivity(file.id, request.getMethod() === "HEAD" ? "checking" : "uploading");
      if (request instanceof TransportRequest) request.onlost = () => onactivity(file.id, "waiting");
    },
  });
  if (kept) uppy.use(GoldenRetriever<UploadMeta, UploadBody>, { expires: KEPT_FOR });
  return uppy;
}

/** Where uploads are created, and what notes of them are kept under. */
export function creationUrl(uploadPath: string): string {
  return new URL(uploadPath, url("")).href;
}

/** Start, or go on with, one upload; its failure is told by the event `upload-error`. */
export function begin(uppy: Engine, id: string): void {
  uppy.retryUpload(id).catch(nothing);
}

/** Start the uploads that have not been started yet; small ones with one request for everything. */
export function beginNew(uppy: Engine): void {
  for (const file of uppy.getFiles().filter(isNew)) {
    const uploadDataDuringCreation = (file.size ?? Infinity) <= SMALL;
    uppy.setFileState(file.id, { tus: { ...file.tus, uploadDataDuringCreation } });
    begin(uppy, file.id);
  }
}

/** Go on after a pause; what was paused before the page was loaded has to be begun. */
export function resume(uppy: Engine, id: string): void {
  if (hasUploader(uppy, id)) uppy.pauseResume(id);
  else begin(uppy, id);
}

/** Whether Uppy is busy with a file, or has paused it itself. */
export function hasUploader(uppy: Engine, id: string): boolean {
  return Boolean(uppy.getPlugin<Tus<UploadMeta, UploadBody>>("Tus")?.uploaders[id]);
}

/** Make what Golden Retriever has brought back go on by itself, except for what was paused or needs its file. */
export function goOnAfterReload(uppy: Engine): void {
  // Uppy would start each batch as a whole, with the files that it has not got.
  uppy.setState({ currentUploads: {}, recoveredState: null });
  uppy.removeFiles(uppy.getFiles().filter((file) => file.progress.uploadComplete).map((file) => file.id));
  for (const file of uppy.getFiles()) {
    if (!file.isGhost && !file.isPaused && !file.error) begin(uppy, file.id);
  }
}

function isNew(file: UploadFile): boolean {
  return !file.progress.uploadStarted && !file.isGhost && !file.error && !file.isPaused;
}

function nothing(): void {
  // Failures are shown where they belong: at the upload.
}
