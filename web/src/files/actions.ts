/** What can be done with a file. Each throws `ProblemError`. */

import { api } from "../api";
import { ProblemError } from "../api/problem";
import type { User } from "../api/types";
import { texts } from "../texts";
import { explainError } from "../texts/problem";
import type { NewLink, Upload, UploadDetails } from "./types";

/** Seconds for which a link is good: long enough for a download to be interrupted and go on. */
const LINK_LIFETIME = 12 * 3600;

const GONE = ["upload-not-found", "upload-gone", "upload-terminated", "upload-expired"];

/** Whether somebody may rename and delete a file: its owner and admins, and everybody where nobody signs in. */
export function mayChange(upload: Upload, user: User | null): boolean {
  return user !== null && (user.role === "admin" || upload.owner === null || upload.owner.id === user.id);
}

/** Have the browser fetch a file by a link of its own: it sends no token, and can go on by itself. */
export async function download(upload: Upload): Promise<void> {
  const link = await api.post<NewLink>(`${path(upload.id)}/link`, { ttl: LINK_LIFETIME });
  const anchor = document.createElement("a");
  anchor.href = link.url;
  anchor.download = "";
  anchor.click();
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
