/** What happens to uploads, as it happens: one connection for the page, and whoever wants to hear of it. */

import { api } from "../api";
import { ProblemError, UNREACHABLE } from "../api/problem";
import { url } from "../api/request";
import { session } from "../session/session.svelte";
import { Connection, type Listener, type Phase, type Socket } from "./connection";
import type { UploadEvent } from "./messages";

/** Milliseconds that the server has to answer when it is asked whether it is there. */
const PATIENCE = 10_000;

export type Hearer = Pick<Listener, "event" | "missed">;

class Live {
  phase = $state<Phase>("connecting");
  readonly #hearers = new Set<Hearer>();
  readonly #connection: Connection;

  constructor() {
    this.#connection = new Connection(
      {
        open: openSocket,
        token: () => session.token(),
        refused: (token) => session.refused(token),
        renewsAt: () => session.renewsAt,
        probe,
        now: Date.now,
        random: Math.random,
      },
      {
        event: (event: UploadEvent) => this.#hearers.forEach((hearer) => hearer.event(event)),
        missed: () => this.#hearers.forEach((hearer) => hearer.missed()),
        phase: (phase) => (this.phase = phase),
      },
    );
  }

  /** Connect, for as long as the page lives or until the returned function is called. */
  start(): () => void {
    const hurry = (): void => {
      if (!document.hidden) this.#connection.hurry();
    };
    this.#connection.start();
    addEventListener("online", hurry);
    document.addEventListener("visibilitychange", hurry);
    return () => {
      removeEventListener("online", hurry);
      document.removeEventListener("visibilitychange", hurry);
      this.#connection.stop();
    };
  }

  /** Hear of everything from now on, until the returned function is called. */
  listen(hearer: Hearer): () => void {
    this.#hearers.add(hearer);
    return () => this.#hearers.delete(hearer);
  }
}

function openSocket(after: string | null, token: string | null): Socket {
  const address = new URL(url("events"));
  address.protocol = address.protocol.replace("http", "ws");
  if (after !== null) address.searchParams.set("after", after);
  return new WebSocket(address, ["longshore.v1", ...(token === null ? [] : [`bearer.${token}`])]);
}

async function probe(): Promise<boolean> {
  try {
    await api.get("api/uploads", { query: { limit: 1 }, signal: AbortSignal.timeout(PATIENCE) });
    return true;
  } catch (error) {
    return error instanceof ProblemError && error.code !== UNREACHABLE;
  }
}

export const live = new Live();
