/** How fast bytes go, over the last few seconds. */

/** Milliseconds that count: long enough to be calm, short enough to notice that a network has become slow. */
const SPAN = 10_000;

export class Pace {
  #samples: { readonly time: number; readonly bytes: number }[] = [];

  /** Take note that so many bytes have been sent in all. */
  note(time: number, bytes: number): void {
    const last = this.#samples.at(-1);
    if (last && bytes < last.bytes) this.forget();
    this.#samples.push({ time, bytes });
    while (this.#samples.length > 2 && time - (this.#samples[0]?.time ?? time) > SPAN) this.#samples.shift();
  }

  /** Begin anew, as after a pause: what was sent before says nothing. */
  forget(): void {
    this.#samples = [];
  }

  /** Bytes per second; null while there is too little to go by. */
  speed(now: number): number | null {
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
