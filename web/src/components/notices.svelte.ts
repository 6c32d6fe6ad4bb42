/** Short notices at the edge of the page, which go by themselves; errors stay until they are dismissed. */

export interface Notice {
  readonly id: number;
  readonly text: string;
  readonly kind: "info" | "error";
  readonly action?: { readonly label: string; readonly run: () => void } | undefined;
}

/** Milliseconds for which a notice is there, long enough to read it twice. */
const SHOWN_FOR = 8_000;

/** Notices at a time; the oldest makes room. */
const MOST = 4;

class Notices {
  list = $state.raw<readonly Notice[]>([]);
  #last = 0;

  /** Tell something quietly; `action` puts a button beside it, such as Undo. */
  tell(text: string, action?: Notice["action"]): void {
    const id = this.#add({ text, kind: "info", action });
    setTimeout(() => this.dismiss(id), SHOWN_FOR);
  }

  /** Tell that something went wrong. */
  warn(text: string): void {
    this.#add({ text, kind: "error" });
  }

  dismiss(id: number): void {
    this.list = this.list.filter((notice) => notice.id !== id);
  }

  #add(notice: Omit<Notice, "id">): number {
    this.#last += 1;
    this.list = [...this.list, { ...notice, id: this.#last }].slice(-MOST);
    return this.#last;
  }
}

export const notices = new Notices();
