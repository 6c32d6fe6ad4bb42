/** One request to the server, without a token: what `client.ts` and the session are made of. */

import { ProblemError, readProblem, unreachable } from "./problem";

export interface Sent {
  /** Sent as JSON. */
  readonly body?: unknown;
  readonly token?: string | null;
  readonly signal?: AbortSignal | undefined;
}

/** The URL of a path such as `api/usage`, below wherever the page was loaded from. */
export function url(path: string): string {
  return new URL(path.replace(/^\//, ""), new URL(".", document.baseURI)).href;
}

/**
 * Ask, and return the answer's JSON; undefined when it has no content.
 * Throws `ProblemError`, and `DOMException` where the signal says to stop.
 */
export async function request(method: string, path: string, sent: Sent = {}): Promise<unknown> {
  const answer = await send(method, path, sent);
  const text = await answer.text().catch((error: unknown) => {
    throw stopped(sent) ? error : unreachable();
  });
  if (!answer.ok) throw new ProblemError(readProblem(answer.status, text));
  return text === "" ? undefined : JSON.parse(text);
}

async function send(method: string, path: string, sent: Sent): Promise<Response> {
  const headers = new Headers();
  if (sent.body !== undefined) headers.set("Content-Type", "application/json");
  if (sent.token) headers.set("Authorization", `Bearer ${sent.token}`);
  const body = sent.body === undefined ? null : JSON.stringify(sent.body);
  try {
    return await fetch(url(path), { method, headers, body, signal: sent.signal ?? null, cache: "no-store" });
  } catch (error) {
    throw stopped(sent) ? error : unreachable();
  }
}

function stopped(sent: Sent): boolean {
  return sent.signal?.aborted ?? false;
}
