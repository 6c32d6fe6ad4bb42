/** How fast bytes go, over the last few seconds. */

/** Milliseconds that count: long enough to be calm, short enough to notice that a network has become slow. */
const SPAN = 10_000;

/** Milliseconds without a byte after which what was measured says nothing any more. */
const STALE = 5_000;

export class Pace {
  #samples: { readonly time: number; readonly bytes: number }[] = [];

  /** When bytes were last seen to go. */
  #moved = 0;

  /** Take note that so many bytes have been sent in all; how many more that is than before. */
  note(time: number, bytes: number): number {
    const last = this.#samples.at(-1);
    if (last && bytes < last.bytes) this.forget();
    const more = bytes - (this.#samples.at(-1)?.bytes ?? bytes);
    if (more > 0 || !this.#samples.length) this.#moved = time;
    this.#samples.push({ time, bytes });
    while (this.#samples.length > 2 && time - (this.#samples[0]?.time ?? time) > SPAN) this.#samples.shift();
    return more;
  }

  /** Begin anew, as after a pause: what was sent before says nothing. */
  forget(): void {
    this.#samples = [];
  }

  /** Whether bytes should go, and none have for a while. */
  stalled(now: number): boolean {
    return this.#samples.length > 0 && now - this.#moved >= STALE;
  }

  /** Bytes per second; null while there is too little to go by, or nothing goes. */
  speed(now: number): number | null {
    if (this.stalled(now)) return null;
    const [first, last] = [this.#samples[0], this.#samples.at(-1)];
    // Counted up to now, so that a transfer that has stopped does not look fast for ever.
    if (!first || !last || last.time - first.time < 500) return null;
    return ((last.bytes - first.bytes) * 1000) / (now - first.time);
  }

  /** Seconds until the rest is sent; null where nobody can say. */
  secondsLeft(now: number, rest: number): number | null {
    const speed = this.speed(now);
    return speed ? rest / speed : null;
  }
}
