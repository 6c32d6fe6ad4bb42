/** What the server says on `/events`: CloudEvents about uploads, and what it says for itself. */

/** What an event tells of its upload. */
export interface UploadData {
  readonly id: string;
  /** The subject of whoever owns it; empty where nobody signs in. */
  readonly owner: string;
  /** What the owner is called; not there for users of an external issuer, and in progress. */
  readonly owner_name?: string;
  readonly name: string;
  readonly media_type: string;
  readonly size: number | null;
  readonly offset: number;
  readonly state: string;
  /** Whether it only counts inside another one. */
  readonly partial: boolean;
  readonly created_at: string;
  readonly completed_at: string | null;
  readonly expires_at: string | null;
  /** Of a file that was renamed: what it was called before. */
  readonly previous_name?: string;
}

/** Something that happened to an upload. */
export interface UploadEvent {
  readonly kind: "upload";
  /** Where to go on after it; null for progress, which is not kept. */
  readonly id: string | null;
  /** `created`, `completed`, `renamed`, `terminated`, `expired`, `rejected` or `progress`. */
  readonly type: string;
  readonly data: UploadData;
}

export type Message =
  | UploadEvent
  /** First of all: everything behind `after` will be told. */
  | { readonly kind: "position"; readonly after: string }
  /** Some of what was missed is not kept any more. */
  | { readonly kind: "gap" }
  /** A fresh token was taken. */
  | { readonly kind: "token" };

const PREFIX = "longshore.upload.";

/** Read a message; null for what this client does not know. */
export function readMessage(text: string): Message | null {
  const found = JSON.parse(text) as Record<string, unknown>;
  if ("specversion" in found) return readEvent(found);
  switch (found["type"]) {
    case "position":
      return { kind: "position", after: String(found["after"]) };
    case "gap":
    case "token":
      return { kind: found["type"] };
    default:
      return null;
  }
}

function readEvent({ id, type, data }: Record<string, unknown>): UploadEvent | null {
  if (typeof id !== "string" || typeof type !== "string" || !type.startsWith(PREFIX)) return null;
  return {
    kind: "upload",
    id: /^\d+$/.test(id) ? id : null,
    type: type.slice(PREFIX.length),
    data: data as UploadData,
  };
}
