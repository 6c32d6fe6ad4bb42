/** What users are called, as far as it is known: that of somebody of an external issuer is not. */

import { SvelteMap } from "svelte/reactivity";
import { session } from "../session/session.svelte";
import type { Owner, Upload } from "./types";

class People {
  readonly #names = new SvelteMap<string, string>();

  /** A user's name; empty while it is not known. */
  name(owner: Owner): string {
    return owner.name ?? this.#known(owner.id) ?? "";
  }

  learn(uploads: readonly Upload[]): void {
    for (const { owner } of uploads) {
      if (owner?.name && this.#names.get(owner.id) !== owner.name) this.#names.set(owner.id, owner.name);
    }
  }

  #known(ownerId: string): string | undefined {
    return ownerId === session.user?.id ? session.user.username : this.#names.get(ownerId);
  }
}

export const people = new People();
