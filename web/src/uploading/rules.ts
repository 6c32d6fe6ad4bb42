/** What may be uploaded, as far as it can be told before the server is asked. The server has the last word. */

import type { Configuration, Usage } from "../api/types";
import { texts } from "../texts";

export interface Given {
  readonly name: string;
  readonly size: number;
}

export interface Rules {
  readonly configuration: Configuration;
  /** Null where nobody has quotas, or before they are known. */
  readonly usage: Usage | null;
  /** Bytes of uploads that the server does not know of yet. */
  readonly pending: number;
}

/** Why a file is not taken, and what to do; null if it may be. */
export function refusal(file: Given, rules: Rules): string | null {
  return formatRefusal(file, rules.configuration) ?? sizeRefusal(file, rules) ?? quotaRefusal(file, rules);
}

/** The largest file that is taken, in bytes; null without a limit. */
export function largest({ configuration, usage }: Pick<Rules, "configuration" | "usage">): number | null {
  const limits = [configuration.max_size, usage?.size.limit ?? null].filter((limit) => limit !== null);
  return limits.length ? Math.min(...limits) : null;
}

function formatRefusal({ name }: Given, { allowed_extensions: allowed }: Configuration): string | null {
  const lower = name.toLowerCase();
  if (!allowed.length || allowed.some((extension) => lower.endsWith(extension) && lower !== extension)) return null;
  const dot = lower.lastIndexOf(".");
  return texts.upload.checks.format(dot > 0 ? lower.slice(dot) : "", allowed);
}

function sizeRefusal({ size }: Given, rules: Rules): string | null {
  const limit = largest(rules);
  return limit !== null && size > limit ? texts.upload.checks.size(limit) : null;
}

function quotaRefusal({ size }: Given, { usage, pending }: Rules): string | null {
  if (!usage) return null;
  const { quota } = texts.upload.checks;
  for (const name of ["daily", "monthly"] as const) {
    const { limit, used, reserved, resets_at: resetsAt } = usage[name];
    const left = limit === null ? Infinity : Math.max(0, limit - used - reserved - pending);
    if (size > left) return quota[name](left, resetsAt);
  }
  const stored = usage.stored.limit === null ? Infinity : Math.max(0, usage.stored.limit - usage.stored.used);
  return size > stored ? quota.stored(stored) : null;
}
