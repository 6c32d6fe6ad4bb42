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

/** `POST /api/uploads/{id}/link` */
export interface NewLink {
  readonly url: string;
}
