/** What can be done with a file. Each throws `ProblemError`. */

import { api } from "../api";
import { ProblemError } from "../api/problem";
import type { User } from "../api/types";
import { texts } from "../texts";
import { explainError } from "../texts/problem";
import { DOWNLOAD_LIFETIME, isShared } from "./links";
import type { Link, NewLink, Upload, UploadDetails } from "./types";

const GONE = ["upload-not-found", "upload-gone", "upload-terminated", "upload-expired"];

/** Whether somebody may rename and delete a file: its owner and admins, and everybody where nobody signs in. */
export function mayChange(upload: Upload, user: User | null): boolean {
  return user !== null && (user.role === "admin" || upload.owner === null || upload.owner.id === user.id);
}

/** Have the browser fetch a file by a link of its own: it sends no token, and can go on by itself. */
export async function download(upload: Upload): Promise<void> {
  const link = await createLink(upload, DOWNLOAD_LIFETIME, null);
  const anchor = document.createElement("a");
  anchor.href = link.url;
  anchor.download = "";
  anchor.click();
}

/** Make a link that is good for `lifetime` seconds and `uses` downloads, or any number of them. */
export function createLink(upload: Upload, lifetime: number, uses: number | null): Promise<NewLink> {
  return api.post<NewLink>(`${path(upload.id)}/link`, { ttl: lifetime, max_uses: uses });
}

/** The links that were made to be passed on, as far as they are one's own or the file is. The newest comes first. */
export async function readLinks(upload: Upload, signal?: AbortSignal): Promise<Link[]> {
  const { links } = await api.get<{ links: Link[] }>(`${path(upload.id)}/links`, { signal });
  return links.filter((link) => isShared(link));
}

/** Make a link void; one that is void already stays so. */
export async function revokeLink(upload: Upload, link: Link): Promise<void> {
  try {
    await api.delete(`${path(upload.id)}/links/${encodeURIComponent(link.id)}`);
  } catch (error) {
    if (!(error instanceof ProblemError) || error.code !== "link-not-found") throw error;
  }
}

/** Everything about a file. */
export function read(id: string, signal?: AbortSignal): Promise<UploadDetails> {
  return api.get<UploadDetails>(path(id), { signal });
}

/** Rename a file; returns it as it is then. */
export function rename(upload: Upload, name: string): Promise<Upload> {
  return api.patch<Upload>(path(upload.id), { name });
}

/** Delete a file; one that has gone meanwhile is deleted all the same. */
export async function remove(upload: Upload): Promise<void> {
  try {
    await api.delete(path(upload.id));
  } catch (error) {
    if (!isGone(error)) throw error;
  }
}

/** Whether something failed because the file is not there any more. */
export function isGone(error: unknown): boolean {
  return error instanceof ProblemError && GONE.includes(error.code);
}

/** What went wrong with a file, and what to do. */
export function explain(error: unknown): string {
  return isGone(error) ? texts.files.gone : explainError(error);
}

function path(id: string): string {
  return `api/uploads/${encodeURIComponent(id)}`;
}
