/** Which links were made to be passed on. */

import type { Link } from "./types";

/** Seconds for which the links of downloads are good: long enough for one to be interrupted and go on. */
export const DOWNLOAD_LIFETIME = 12 * 3600;

/** Whether a link can still be followed, and is not one of those that downloads make for themselves. */
export function isShared(link: Link, now = Date.now()): boolean {
  const ends = Date.parse(link.expires_at);
  // The server tells the end of a link in whole seconds.
  const lifetime = Math.ceil((ends - Date.parse(link.created_at)) / 1000);
  return ends > now && (lifetime !== DOWNLOAD_LIFETIME || link.max_uses !== null);
}
