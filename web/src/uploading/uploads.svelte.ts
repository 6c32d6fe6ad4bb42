/** The uploads of this page: what is shown of them, and what can be done to them. One for as long as the page lives. */

import * as tus from "tus-js-client";
import { api } from "../api";
import { type Problem, readProblem } from "../api/problem";
import type { Configuration, Usage, User } from "../api/types";
import { notices } from "../components/notices.svelte";
import { session } from "../session/session.svelte";
import { claim } from "../session/tabs";
import { texts } from "../texts";
import { explain } from "../texts/problem";
import { begin, beginNew, createEngine, type Engine, goOnAfterReload, hasUploader, resume } from "./engine";
import {
  type Activity,
  folderOf,
  isRunning,
  isSameFile,
  type Item,
  sentOf,
  stateOf,
  totalOf,
  type UploadFile,
  uploadUrl,
} from "./items";
import { LARGEST_KEPT } from "./kept";
import { Pace } from "./pace";
import { recall } from "./recall";
import { refusal } from "./rules";
import { Transport } from "./transport";

/** A file that was not taken, and why. */
export interface Refused {
  readonly id: number;
  readonly name: string;
  readonly reason: string;
}

/** Milliseconds between updates of what is shown. */
const REFRESH = 200;

/** Milliseconds after which the server has counted what has just happened. */
const SETTLED = 1000;

/** Milliseconds that files wait for news of the quotas; without them the server decides. */
const PATIENCE = 1500;

/** Milliseconds in which Golden Retriever has brought back what it has; it says nothing where that is nothing. */
const RESTORED = 500;

/** Answers that stand for good, where the file as it is will never be taken. */
const FINAL = [403, 413, 415, 422, 431];

/** How fast everything together goes. */
export interface Speed {
  /** Bytes per second, while it is known. */
  readonly speed: number | null;
  readonly secondsLeft: number | null;
}

class Uploads {
  items = $state.raw<readonly Item[]>([]);
  overall = $state.raw<Speed>({ speed: null, secondsLeft: null });
  refused = $state.raw<readonly Refused[]>([]);
  usage = $state.raw<Usage | null>(null);
  /** How many uploads have finished since the page was loaded. */
  finished = $state(0);
  /** What has just happened, for screen readers. */
  announcement = $state("");

  #uppy: Engine | null = null;
  #opened: Promise<void> = Promise.resolve();
  #configuration: Configuration | null = null;
  readonly #activity = new Map<string, Activity>();
  readonly #paces = new Map<string, Pace>();
  readonly #overallPace = new Pace();
  /** Bytes that have been seen to go since the page was loaded. */
  #sent = 0;
  /** A request for the usage that is about to be sent. */
  #reading: Promise<void> | null = null;
  #refreshing = false;
  #lastRefused = 0;

  /** Begin, for somebody who has signed in; what was unfinished when the page was left goes on. Once only. */
  open(configuration: Configuration, user: User): void {
    if (this.#configuration) return;
    this.#configuration = configuration;
    this.#opened = this.#start(configuration.upload_path, user.id);
    addEventListener("beforeunload", (event) => {
      if (this.#wouldLoseFiles()) event.preventDefault();
    });
    void this.readUsage();
  }

  async #start(uploadPath: string, userId: string): Promise<void> {
    const kept = await claim(`longshore.uploads.${userId}`);
    const onactivity = (id: string, activity: Activity): void => this.#note(id, activity);
    const uppy = (this.#uppy = createEngine({ userId, uploadPath, tokens: session, kept, onactivity }));
    if (kept) this.#goOn(uppy, () => void recall(uppy, uploadPath, session));
    uppy.on("state-update", () => this.#refreshSoon());
    uppy.on("upload-progress", (file, progress) => {
      if (file) this.#progressed(file.id, progress.bytesUploaded || 0);
    });
    uppy.on("upload-success", (file) => this.#succeeded(file));
    uppy.on("upload-error", (file, _error, response) => this.#failed(file, response?.body?.xhr));
  }

  /** Go on with what was under way when the page was left, as far as this browser has the files. */
  #goOn(uppy: Engine, askServer: () => void): void {
    const timer = setTimeout(askServer, RESTORED);
    uppy.on("restored", () => {
      clearTimeout(timer);
      goOnAfterReload(uppy);
      askServer();
    });
  }

  get unfinished(): number {
    return this.items.filter((item) => item.state !== "done").length;
  }

  /** Take files in; those that cannot be taken are listed with the reason. */
  async add(files: readonly File[]): Promise<void> {
    await Promise.all([this.#opened, Promise.race([this.readUsage(), delay(PATIENCE)])]);
    const uppy = this.#engine;
    const taken = files.filter((file) => this.#take(uppy, file));
    if (taken.length) this.announcement = texts.upload.announce.added(taken.length);
    beginNew(uppy);
  }

  /** Give an upload that was interrupted its file again. */
  giveBack(id: string, file: File): void {
    const uppy = this.#engine;
    if (!isSameFile(file, uppy.getFile(id))) {
      notices.warn(texts.upload.wrongFile(uppy.getFile(id).name));
      return;
    }
    uppy.setFileState(id, { data: file, isGhost: false });
    begin(uppy, id);
  }

  pause(id: string): void {
    if (!this.#engine.getFile(id).isPaused) this.#engine.pauseResume(id);
    this.#paces.delete(id);
  }

  resume(id: string): void {
    resume(this.#engine, id);
  }

  retry(id: string): void {
    begin(this.#engine, id);
  }

  /** Cancel an upload, and have what has arrived deleted; one that is finished is only taken from the list. */
  remove(id: string): void {
    const uppy = this.#engine;
    const file = uppy.getFile(id);
    const left = file.progress.uploadComplete || hasUploader(uppy, id) ? null : uploadUrl(file);
    uppy.removeFile(id);
    if (left) void tus.Upload.terminate(left, { httpStack: new Transport(session) }).catch(() => undefined);
    if (!file.progress.uploadComplete) setTimeout(() => void this.readUsage(), SETTLED);
  }

  pauseAll(): void {
    for (const item of this.items) if (isRunning(item)) this.pause(item.id);
  }

  resumeAll(): void {
    for (const item of this.items) if (item.state === "paused") this.resume(item.id);
  }

  retryAll(): void {
    for (const item of this.items) if (item.state === "failed") this.retry(item.id);
  }

  /** Take what is finished from the list. */
  clear(): void {
    this.#engine.removeFiles(this.items.filter((item) => item.state === "done").map((item) => item.id));
  }

  dismiss(...ids: readonly number[]): void {
    this.refused = this.refused.filter((refused) => !ids.includes(refused.id));
  }

  refuse(name: string, reason: string): void {
    this.#lastRefused += 1;
    this.refused = [...this.refused, { id: this.#lastRefused, name, reason }];
  }

  /** Ask what is used of the quotas; whoever wants to know in the same turn shares the request. */
  readUsage(): Promise<void> {
    this.#reading ??= delay(0).then(() => {
      this.#reading = null;
      return this.#readUsage();
    });
    return this.#reading;
  }

  /** Nobody has quotas where nobody signs in. */
  async #readUsage(): Promise<void> {
    if (!this.#configuration || this.#configuration.auth === "none") return;
    // What was known stays, where it cannot be had just now.
    this.usage = await api.usage().catch(() => this.usage);
  }

  get #engine(): Engine {
    if (!this.#uppy) throw new Error("nobody has signed in");
    return this.#uppy;
  }

  #take(uppy: Engine, file: File): boolean {
    const lost = uppy.getFiles().find((entry) => entry.isGhost && isSameFile(file, entry));
    if (lost) {
      this.giveBack(lost.id, file);
      return true;
    }
    const reason = this.#refusal(uppy, file);
    if (reason) this.refuse(file.name, reason);
    else this.#addNew(uppy, file);
    return !reason;
  }

  #refusal(uppy: Engine, file: File): string | null {
    const unknown = uppy.getFiles().filter((other) => !other.progress.uploadComplete && !uploadUrl(other));
    const pending = unknown.reduce((sum, other) => sum + (other.size ?? 0), 0);
    return this.#configuration && refusal(file, { configuration: this.#configuration, usage: this.usage, pending });
  }

  #addNew(uppy: Engine, file: File): void {
    const { name, type } = file;
    // Dropped folders have relativePath, chosen ones webkitRelativePath.
    const path = (file as { relativePath?: string | null }).relativePath ?? file.webkitRelativePath;
    const again = uppy.getFiles().find((entry) => isSameFile(file, entry) && (entry.meta.relativePath ?? "") === path);
    if (again && !again.progress.uploadComplete && !again.error) return;
    if (again) uppy.removeFile(again.id);
    uppy.addFiles([{ name, type, data: file, meta: path ? { relativePath: path } : {} }]);
  }

  #note(id: string, activity: Activity): void {
    if (activity !== "uploading") this.#paces.delete(id);
    // By then the upload has been created, and its length set aside.
    else if (this.#activity.get(id) !== "uploading") setTimeout(() => void this.readUsage(), SETTLED);
    this.#activity.set(id, activity);
    this.#refreshSoon();
  }

  #pace(id: string): Pace {
    const pace = this.#paces.get(id) ?? new Pace();
    this.#paces.set(id, pace);
    return pace;
  }

  #progressed(id: string, sent: number): void {
    this.#sent += this.#pace(id).note(Date.now(), sent);
    this.#overallPace.note(Date.now(), this.#sent);
  }

  #succeeded(file: UploadFile | undefined): void {
    this.finished += 1;
    if (file) this.announcement = texts.upload.announce.done(file.name);
    void this.readUsage();
  }

  #failed(file: UploadFile | undefined, xhr: XMLHttpRequest | undefined): void {
    const uppy = this.#engine;
    if (!file || !(file.id in uppy.getState().files)) return;
    const problem = xhr && readProblem(xhr.status, xhr.responseText);
    if (problem && FINAL.includes(problem.status)) {
      uppy.removeFile(file.id);
      this.refuse(file.name, explain(problem));
    } else {
      uppy.setFileState(file.id, { error: explain(problem ?? unreadable(file)) });
    }
    void this.readUsage();
  }

  #wouldLoseFiles(): boolean {
    return this.items.some((item) => isRunning(item) && item.size > LARGEST_KEPT);
  }

  #refreshSoon(): void {
    if (this.#refreshing) return;
    this.#refreshing = true;
    setTimeout(() => {
      this.#refreshing = false;
      this.#show();
      // Speeds go on changing where nothing arrives any more.
      if (this.items.some((item) => item.state === "uploading")) this.#refreshLater();
    }, REFRESH);
  }

  #refreshLater(): void {
    setTimeout(() => this.#refreshSoon(), 1000 - REFRESH);
  }

  #show(): void {
    const now = Date.now();
    this.items = this.#engine.getFiles().map((file) => this.#item(file));
    if (!this.items.some((item) => item.state === "uploading")) this.#overallPace.forget();
    const { rest } = totalOf(this.items);
    this.overall = { speed: this.#overallPace.speed(now), secondsLeft: this.#overallPace.secondsLeft(now, rest) };
  }

  #item(file: UploadFile): Item {
    const state = stateOf(file, this.#activity.get(file.id));
    const sent = sentOf(file);
    const pace = state === "uploading" ? this.#paces.get(file.id) : undefined;
    const now = Date.now();
    return {
      id: file.id,
      name: file.name,
      folder: folderOf(file),
      size: file.size ?? 0,
      sent,
      state,
      stalled: pace?.stalled(now) ?? false,
      speed: pace?.speed(now) ?? null,
      secondsLeft: pace?.secondsLeft(now, (file.size ?? 0) - sent) ?? null,
      failure: state === "failed" ? (file.error ?? "") : "",
      fileId: state === "done" ? idOf(uploadUrl(file)) : null,
    };
  }
}

/** The last part of an upload's URL is its id. */
function idOf(url: string | null): string | null {
  return url?.split("/").at(-1) ?? null;
}

function delay(milliseconds: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, milliseconds));
}

/** A failure without an answer, once every attempt is used up: the file itself, most likely. */
function unreadable(file: UploadFile): Problem {
  return { status: 0, code: "unreadable", title: "", detail: texts.upload.unreadable(file.name) };
}

export const uploads = new Uploads();
