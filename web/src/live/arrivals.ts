/** New files of others, gathered so that many of them are told of once. */

import type { UploadEvent } from "./messages";

export interface Arrival {
  readonly uploadId: string;
  readonly name: string;
  readonly ownerId: string;
  /** Empty where it is not known. */
  readonly ownerName: string;
}

/** Milliseconds in which files that come together are gathered. */
const TOGETHER = 1_000;

/** Milliseconds between two notices, so that few of them are there at a time. */
const APART = 8_000;

export class Arrivals {
  #waiting: Arrival[] = [];
  #timer: ReturnType<typeof setTimeout> | undefined;
  #lastTold = -Infinity;

  /** `isOwn` says whether somebody need not be told, `tell` tells of one or several. */
  constructor(
    readonly isOwn: (arrival: Arrival) => boolean,
    readonly tell: (arrivals: readonly Arrival[]) => void,
    readonly now: () => number = Date.now,
  ) {}

  hear({ type, data }: UploadEvent): void {
    const gone = type === "terminated" || type === "expired" || type === "rejected";
    if (gone) this.#waiting = this.#waiting.filter((arrival) => arrival.uploadId !== data.id);
    if (type === "renamed") this.#rename(data.id, data.name);
    const arrival = { uploadId: data.id, name: data.name, ownerId: data.owner, ownerName: data.owner_name ?? "" };
    if (type !== "completed" || data.partial || this.isOwn(arrival)) return;
    this.#waiting.push(arrival);
    this.#timer ??= setTimeout(() => this.#tell(), Math.max(TOGETHER, this.#lastTold + APART - this.now()));
  }

  stop(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#waiting = [];
  }

  #rename(uploadId: string, name: string): void {
    this.#waiting = this.#waiting.map((arrival) => (arrival.uploadId === uploadId ? { ...arrival, name } : arrival));
  }

  #tell(): void {
    this.#timer = undefined;
    const told = this.#waiting.splice(0);
    if (!told.length) return;
    this.#lastTold = this.now();
    this.tell(told);
  }
}
