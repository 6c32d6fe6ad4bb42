/** Short notices at the edge of the page, which go by themselves; errors stay until they are dismissed. */

import { untrack } from "svelte";

export interface Notice {
  readonly id: number;
  readonly text: string;
  readonly kind: "info" | "error";
  readonly action?: { readonly label: string; readonly run: () => void } | undefined;
}

/** Milliseconds for which a notice is there, long enough to read it twice. */
const SHOWN_FOR = 8_000;

/** Milliseconds for one that something can be done with, long enough to get to its button by the keyboard. */
const ACTION_SHOWN_FOR = 20_000;

/** Notices at a time; the oldest makes room. */
const MOST = 4;

export class Notices {
  list = $state.raw<readonly Notice[]>([]);
  #places = $state.raw<readonly string[]>([]);
  #last = 0;
  #held = false;
  readonly #timers = new Map<number, ReturnType<typeof setTimeout>>();

  /** The dialog that they are shown in, which is the topmost one; empty for the page itself. */
  get place(): string {
    return this.#places.at(-1) ?? "";
  }

  /** Tell something quietly; `action` puts a button beside it, such as Undo. */
  tell(text: string, action?: Notice["action"]): void {
    this.#add({ text, kind: "info", action });
  }

  /** Tell that something went wrong. */
  warn(text: string): void {
    this.#add({ text, kind: "error" });
  }

  dismiss(id: number): void {
    this.list = this.list.filter((notice) => notice.id !== id);
    this.#stop(id);
  }

  /** Keep them all while somebody is at one (WCAG 2.2.1), until the returned function is called. */
  hold(): () => void {
    this.#held = true;
    for (const id of [...this.#timers.keys()]) this.#stop(id);
    return () => {
      this.#held = false;
      untrack(() => this.list).forEach((notice) => this.#start(notice));
    };
  }

  /** Show them in a dialog, which lies above everything that was there before, until the returned function is called. */
  enter(place: string): () => void {
    this.#places = [...untrack(() => this.#places), place];
    return () => (this.#places = untrack(() => this.#places).filter((other) => other !== place));
  }

  #add(fields: Omit<Notice, "id">): void {
    this.#last += 1;
    const notice = { ...fields, id: this.#last };
    const all = [...this.list, notice];
    for (const { id } of all.slice(0, -MOST)) this.#stop(id);
    this.list = all.slice(-MOST);
    this.#start(notice);
  }

  #start({ id, kind, action }: Notice): void {
    if (this.#held || kind === "error") return;
    this.#timers.set(id, setTimeout(() => this.dismiss(id), action ? ACTION_SHOWN_FOR : SHOWN_FOR));
  }

  #stop(id: number): void {
    clearTimeout(this.#timers.get(id));
    this.#timers.delete(id);
  }
}

export const notices = new Notices();
