/**
 * The connection to `/events`, which is opened again and again and goes on where it stopped, so that nothing is missed.
 *
 * A fresh token is sent before the old one ends. The same message, sent now and then, tells whether the connection is
 * alive: browsers do not say when the other end has gone without a word, as after a laptop was asleep.
 */

import { readMessage, type UploadEvent } from "./messages";

/** What is needed of a WebSocket. */
export type Socket = Pick<WebSocket, "send" | "close" | "onopen" | "onmessage" | "onclose">;

/** Where it stands: `unreachable` is a server that does not answer at all. */
export type Phase = "connecting" | "live" | "unreachable";

export interface Surroundings {
  /** Open a WebSocket that goes on after an event; with null it begins with what comes next. */
  readonly open: (after: string | null, token: string | null) => Socket;
  /** A token that is good for a while; null where none is needed. Waits while somebody has to sign in. */
  readonly token: () => Promise<string | null>;
  /** Take note that the server does not take a token. */
  readonly refused: (token: string) => void;
  /** When the token should be renewed, in milliseconds of the epoch; null where there is none. */
  readonly renewsAt: () => number | null;
  /** Whether the server answers requests. Takes note of a token that is not good any more. */
  readonly probe: () => Promise<boolean>;
  readonly now: () => number;
  readonly random: () => number;
}

export interface Listener {
  readonly event: (event: UploadEvent) => void;
  /** Something may have happened that is not told: look for yourself. */
  readonly missed: () => void;
  readonly phase: (phase: Phase) => void;
}

/** Milliseconds between attempts: the first pause, doubled each time up to the longest one. */
const FIRST_PAUSE = 1_000;
const LONGEST_PAUSE = 30_000;

/** Milliseconds in which the server has to answer. */
const PATIENCE = 10_000;

/** Milliseconds after which a connection is tried. */
const CHECK = 60_000;

/** Milliseconds between two messages with a token, at least. */
const LEAST = 1_000;

/** The server's close code for a token that is not good any more. */
const UNAUTHENTICATED = 4401;

export class Connection {
  readonly #around: Surroundings;
  readonly #listener: Listener;
  #socket: Socket | null = null;
  #token: string | null = null;
  /** The last event that was heard, or behind which the server begins. */
  #last: string | null = null;
  #failures = 0;
  #live = false;
  #stopped = true;
  #next: ReturnType<typeof setTimeout> | undefined;
  #deadline: ReturnType<typeof setTimeout> | undefined;

  constructor(around: Surroundings, listener: Listener) {
    this.#around = around;
    this.#listener = listener;
  }

  start(): void {
    if (!this.#stopped) return;
    this.#stopped = false;
    void this.#connect();
  }

  stop(): void {
    this.#stopped = true;
    this.#leave();
  }

  /** See at once whether it is alive, or come back at once: as when the network is there again. */
  hurry(): void {
    if (this.#stopped) return;
    if (this.#socket && this.#live) void this.#check(this.#socket);
    else if (this.#next !== undefined) this.#connectIn(0);
  }

  async #connect(): Promise<void> {
    this.#next = undefined;
    try {
      this.#token = await this.#around.token();
    } catch {
      await this.#failed();
      return;
    }
    if (this.#isStopped()) return;
    const socket = (this.#socket = this.#around.open(this.#last, this.#token));
    let opened = false;
    socket.onopen = () => (opened = true);
    socket.onmessage = ({ data }: MessageEvent<unknown>) => {
      if (socket === this.#socket && typeof data === "string") this.#hear(socket, data);
    };
    socket.onclose = ({ code }) => {
      if (socket === this.#socket) void this.#closed(opened, code);
    };
    this.#expectAnswer(socket);
  }

  #hear(socket: Socket, text: string): void {
    clearTimeout(this.#deadline);
    const message = readMessage(text);
    switch (message?.kind) {
      case "position":
        this.#begin(socket, message.after);
        break;
      case "gap":
        this.#listener.missed();
        break;
      case "upload":
        this.#last = message.id ?? this.#last;
        this.#listener.event(message);
        break;
    }
  }

  #begin(socket: Socket, after: string): void {
    const isFirst = this.#last === null;
    this.#last = after;
    this.#live = true;
    this.#failures = 0;
    this.#listener.phase("live");
    // What happened before is in no event: whoever has looked already has to look again.
    if (isFirst) this.#listener.missed();
    this.#checkLater(socket);
  }

  #checkLater(socket: Socket): void {
    const renewsIn = (this.#around.renewsAt() ?? Infinity) - this.#around.now();
    clearTimeout(this.#next);
    this.#next = setTimeout(() => void this.#check(socket), Math.max(LEAST, Math.min(CHECK, renewsIn)));
  }

  /** Send the newest token; the answer shows that somebody is there. */
  async #check(socket: Socket): Promise<void> {
    clearTimeout(this.#next);
    try {
      this.#token = await this.#around.token();
    } catch {
      // The connection that there is may well outlive a request that failed.
    }
    if (socket !== this.#socket || this.#isStopped()) return;
    socket.send(JSON.stringify({ type: "token", token: this.#token ?? "" }));
    this.#expectAnswer(socket);
    this.#checkLater(socket);
  }

  #expectAnswer(socket: Socket): void {
    clearTimeout(this.#deadline);
    this.#deadline = setTimeout(() => {
      if (socket === this.#socket) void this.#closed(true, 0);
    }, PATIENCE);
  }

  async #closed(opened: boolean, code: number): Promise<void> {
    this.#leave();
    if (code === UNAUTHENTICATED && this.#token) this.#around.refused(this.#token);
    if (!opened) {
      await this.#failed();
      return;
    }
    this.#listener.phase("connecting");
    this.#connectIn(this.#pause());
  }

  /** It was not even opened: browsers do not say why, so find out what the server has to say. */
  async #failed(): Promise<void> {
    const answers = await this.#around.probe();
    if (this.#isStopped()) return;
    this.#listener.phase(answers ? "connecting" : "unreachable");
    // Where a proxy lets no WebSocket through, looking from time to time is what is left.
    if (answers && this.#failures > 0) this.#listener.missed();
    this.#connectIn(this.#pause());
  }

  /** Up to a third less at random, so that not everybody comes back at once after a restart. */
  #pause(): number {
    const pause = Math.min(LONGEST_PAUSE, FIRST_PAUSE * 2 ** this.#failures);
    this.#failures += 1;
    return pause * (1 - this.#around.random() / 3);
  }

  #connectIn(milliseconds: number): void {
    clearTimeout(this.#next);
    this.#next = setTimeout(() => void this.#connect(), milliseconds);
  }

  #leave(): void {
    clearTimeout(this.#next);
    clearTimeout(this.#deadline);
    this.#next = undefined;
    this.#live = false;
    const socket = this.#socket;
    this.#socket = null;
    socket?.close();
  }

  /** Asked after something was awaited. */
  #isStopped(): boolean {
    return this.#stopped;
  }
}
