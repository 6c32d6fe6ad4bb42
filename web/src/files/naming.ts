/** What files are called, and what kind of file a name and a media type make of them. */

import { texts } from "../texts";
import type { Upload } from "./types";

/** The longest extension that says more than the media type. */
const LONGEST = 5;

export function nameOf(upload: Upload): string {
  return upload.name ?? texts.files.unnamed;
}

/** Where the extension begins; the end where there is none. */
export function stemLength(name: string): number {
  const dot = name.lastIndexOf(".");
  return dot > 0 ? dot : name.length;
}

/** A word for the kind of file: `PDF`, else its media type; empty where neither is known. */
export function kindOf(upload: Upload): string {
  const name = upload.name ?? "";
  const extension = name.slice(stemLength(name) + 1);
  if (/^[a-z0-9]+$/i.test(extension) && extension.length <= LONGEST) return extension.toUpperCase();
  return upload.type ?? "";
}
