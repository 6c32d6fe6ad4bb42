/** Uploads as `/api/uploads` answers them. Sizes are bytes, times RFC 3339. */

export interface Owner {
  readonly id: string;
  /** The user name; null for users of an external issuer. */
  readonly name: string | null;
}

export interface Upload {
  readonly id: string;
  /** `unfinished`, `completed`, and of what is gone `terminated` or `expired`. */
  readonly state: string;
  readonly offset: number;
  /** Null while it is not known. */
  readonly length: number | null;
  readonly name: string | null;
  /** The media type that the client gave. */
  readonly type: string | null;
  /** Null where nobody signs in. */
  readonly owner: Owner | null;
  readonly created_at: string;
  readonly completed_at: string | null;
  readonly expires_at: string | null;
}

export interface UploadDetails extends Upload {
  /** Bytes per second while it is being sent. */
  readonly speed: number | null;
  /** Checksums of the whole file by algorithm, as far as the server knows them. */
  readonly checksums: Readonly<Record<string, string>>;
  readonly history: readonly { readonly type: string; readonly time: string }[];
}

export interface UploadPage {
  readonly uploads: readonly Upload[];
  /** The cursor to go on with; null at the end. */
  readonly next: string | null;
}

/** A link that downloads a file without a token; what it opens with is told once. */
export interface Link {
  readonly id: string;
  /** The subject of who made it; empty where nobody signs in. */
  readonly created_by: string;
  readonly created_at: string;
  readonly expires_at: string;
  /** How many downloads may begin; null for any number. */
  readonly max_uses: number | null;
  /** How many have begun. */
  readonly uses: number;
}

/** `POST /api/uploads/{id}/link` */
export interface NewLink extends Link {
  /** A path from the root, or a URL. */
  readonly url: string;
}
