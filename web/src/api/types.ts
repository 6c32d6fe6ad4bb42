/** What the API answers. Sizes are bytes, times RFC 3339. */

/** `GET /api/configuration` */
export interface Configuration {
  readonly auth: "local" | "external" | "none";
  readonly registration: "off" | "open" | "invite";
  /** The creation URL's path, such as `/files`. */
  readonly upload_path: string;
  readonly max_size: number | null;
  /** What is computed of finished files, a while after they are finished. */
  readonly checksum: "sha256" | "none";
  /** With their dots, in lower case; empty when all are taken. */
  readonly allowed_extensions: readonly string[];
}

export interface User {
  readonly id: string;
  readonly username: string;
  readonly role: "user" | "admin";
}

/** Tokens as `/auth/session` answers them: the refresh token is in a cookie that scripts cannot read. */
export interface Tokens {
  readonly access_token: string;
  /** Seconds. */
  readonly expires_in: number;
}

export interface Window {
  readonly limit: number | null;
  readonly used: number;
  /** Set aside for uploads that are not finished. */
  readonly reserved: number;
  readonly resets_at: string;
}

/** `GET /api/usage` */
export interface Usage {
  readonly daily: Window;
  readonly monthly: Window;
  readonly stored: { readonly limit: number | null; readonly used: number };
  readonly size: { readonly limit: number | null };
  /** Numbers of uploads, not bytes. */
  readonly unfinished: { readonly limit: number | null; readonly used: number };
}
