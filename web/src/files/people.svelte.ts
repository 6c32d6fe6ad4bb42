/** What users are called, as far as it is known: events have their ids alone. */

import { SvelteMap } from "svelte/reactivity";
import { api } from "../api";
import { session } from "../session/session.svelte";
import type { Owner, Upload } from "./types";

class People {
  readonly #names = new SvelteMap<string, string>();
  readonly #asked = new Map<string, Promise<string>>();

  /** A user's name; empty while it is not known. */
  name(owner: Owner): string {
    return owner.name ?? this.#known(owner.id) ?? "";
  }

  learn(uploads: readonly Upload[]): void {
    for (const { owner } of uploads) {
      if (owner?.name && this.#names.get(owner.id) !== owner.name) this.#names.set(owner.id, owner.name);
    }
  }

  /** Find out what the owner of an upload is called; empty where that cannot be known. Asks once for each. */
  find(ownerId: string, uploadId: string): Promise<string> {
    const known = this.#known(ownerId);
    if (known !== undefined) return Promise.resolve(known);
    const asked = this.#asked.get(ownerId) ?? this.#ask(ownerId, uploadId);
    this.#asked.set(ownerId, asked);
    return asked;
  }

  #known(ownerId: string): string | undefined {
    return ownerId === session.user?.id ? session.user.username : this.#names.get(ownerId);
  }

  async #ask(ownerId: string, uploadId: string): Promise<string> {
    try {
      this.learn([await api.get<Upload>(`api/uploads/${encodeURIComponent(uploadId)}`)]);
    } catch {
      // The next upload of theirs is another chance.
      this.#asked.delete(ownerId);
    }
    return this.#names.get(ownerId) ?? "";
  }
}

export const people = new People();
