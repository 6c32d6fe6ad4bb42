/** The list of files: pages of it that the server has told, kept up to date by events. */

import type { Api } from "../api/client";
import type { UploadEvent } from "../live/messages";
import { apiQuery, compare, EVERYTHING, matches, type Query } from "./query";
import type { Upload, UploadPage } from "./types";

/** Files that are asked for at a time. */
export const PAGE = 50;

/** The most that are asked for at once, where a long list is read anew; the API's limit. */
const MOST = 200;

export class FileList {
  files = $state.raw<readonly Upload[]>([]);
  /** Whether there is more than `files`. */
  hasMore = $state(false);
  loading = $state(false);
  /** Whether a list was ever had: until then there is nothing to show. */
  loaded = $state(false);
  /** Why the list could not be had; null when it could. */
  failure = $state.raw<unknown>(null);

  #query = EVERYTHING;
  /** What `files` was asked for with. */
  #shown: Query | null = null;
  #next: string | null = null;
  #request: AbortController | null = null;
  /** What happened while a page was on its way, which may or may not have it. */
  #meanwhile: UploadEvent[] = [];
  readonly #api: Pick<Api, "get">;
  readonly #userId: string;

  constructor(api: Pick<Api, "get">, userId: string) {
    this.#api = api;
    this.#userId = userId;
  }

  /** Show the first page of a list; what was shown stays until it is there. */
  show(query: Query): Promise<void> {
    this.#query = query;
    return this.#load(PAGE, null);
  }

  /** Read the list anew, as far as it is shown. */
  reload(): Promise<void> {
    return this.#load(Math.min(MOST, Math.max(PAGE, this.files.length)), null);
  }

  /** Show another page. */
  async more(): Promise<void> {
    if (this.#next !== null && !this.loading) await this.#load(PAGE, this.#next);
  }

  /** Take note of something that has happened. */
  hear(event: UploadEvent): void {
    if (this.#request) this.#meanwhile.push(event);
    else this.#apply(event);
  }

  /** Show a file as it is now. */
  update(upload: Upload): void {
    this.files = this.files.map((file) => (file.id === upload.id ? upload : file));
  }

  remove(id: string): void {
    this.files = this.files.filter((file) => file.id !== id);
  }

  async #load(limit: number, cursor: string | null): Promise<void> {
    this.#request?.abort();
    const request = (this.#request = new AbortController());
    this.loading = true;
    try {
      const query = { ...apiQuery(this.#query), limit, cursor: cursor ?? undefined };
      const page = await this.#api.get<UploadPage>("api/uploads", { query, signal: request.signal });
      if (request === this.#request) this.#take(page, cursor !== null);
    } catch (error) {
      if (request === this.#request) this.#fail(error);
    } finally {
      if (request === this.#request) this.#settle();
    }
  }

  #take(page: UploadPage, goesOn: boolean): void {
    const before = goesOn ? this.files : [];
    const known = new Set(before.map((file) => file.id));
    this.files = [...before, ...page.uploads.filter((file) => !known.has(file.id))];
    this.#next = page.next;
    this.hasMore = page.next !== null;
    this.failure = null;
    this.loaded = true;
    this.#shown = this.#query;
  }

  #fail(error: unknown): void {
    this.failure = error;
    if (this.#shown === this.#query) return;
    // What is there is not what was asked for.
    this.files = [];
    this.hasMore = false;
    this.loaded = false;
  }

  #settle(): void {
    this.#request = null;
    this.loading = false;
    for (const event of this.#meanwhile.splice(0)) this.#apply(event);
  }

  #apply(event: UploadEvent): void {
    if (event.data.partial || !this.loaded) return;
    const known = this.files.find((file) => file.id === event.data.id);
    // How far something has come says nothing to whom does not have it.
    if (!known && event.type === "progress") return;
    const upload = uploadOf(event, known);
    const others = known ? this.files.filter((file) => file !== known) : this.files;
    if (!matches(this.#query, upload, this.#userId)) this.files = others;
    else if (known) this.update(upload);
    else this.#insert(upload);
  }

  #insert(upload: Upload): void {
    const place = this.files.findIndex((file) => compare(this.#query.sort, upload, file) < 0);
    // Behind the last one of several pages: it comes with its own.
    if (place === -1 && this.hasMore) return;
    this.files = this.files.toSpliced(place === -1 ? this.files.length : place, 0, upload);
  }
}

/**
 * The upload of an event. Of one that is known the name stays until an event says that it is another one: all others
 * have the name that a transfer began with, and may come late.
 */
function uploadOf({ type, data }: UploadEvent, known: Upload | undefined): Upload {
  return {
    id: data.id,
    state: data.state,
    offset: data.offset,
    length: data.size,
    name: known && type !== "renamed" ? known.name : data.name || null,
    type: known ? known.type : data.media_type || null,
    owner: known ? known.owner : data.owner ? { id: data.owner, name: data.owner_name ?? null } : null,
    created_at: data.created_at,
    completed_at: data.completed_at,
    expires_at: data.expires_at,
  };
}
