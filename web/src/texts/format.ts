/** Numbers, sizes, durations and dates as people read them, in the language of the texts. */

export const LOCALE = "en";

const UNITS = ["B", "kB", "MB", "GB", "TB", "PB"] as const;

/** Bytes in powers of 1000, with three digits at most: `1.25 GB`. */
export function size(bytes: number): string {
  let value = bytes;
  let unit = 0;
  while (unit < UNITS.length - 1 && Number(value.toPrecision(3)) >= 1000) {
    value /= 1000;
    unit += 1;
  }
  const digits = unit === 0 ? 0 : value < 10 ? 2 : value < 100 ? 1 : 0;
  const shown = new Intl.NumberFormat(LOCALE, { maximumFractionDigits: digits, useGrouping: false }).format(value);
  return `${shown}\u00a0${UNITS[unit] ?? ""}`;
}

/** Bytes per second. */
export function speed(bytesPerSecond: number): string {
  return `${size(bytesPerSecond)}/s`;
}

/** Seconds, coarser the longer: `45 s`, `12 min`, `3 h 20 min`. */
export function duration(seconds: number): string {
  if (Math.round(seconds) < 60) return `${Math.max(1, Math.round(seconds))}\u00a0s`;
  const minutes = Math.round(seconds / 60);
  if (minutes < 60) return `${minutes}\u00a0min`;
  const hours = Math.floor(minutes / 60);
  if (hours >= 24) return `${Math.floor(hours / 24)}\u00a0d ${hours % 24}\u00a0h`;
  return minutes % 60 ? `${hours}\u00a0h ${minutes % 60}\u00a0min` : `${hours}\u00a0h`;
}

export function percent(part: number, whole: number): number {
  return whole > 0 ? Math.min(100, Math.floor((part / whole) * 100)) : 0;
}

/** A day and time in the reader's time zone: `Nov 21, 01:00`. */
export function moment(time: string | Date): string {
  const options = { day: "numeric", month: "short", hour: "2-digit", minute: "2-digit", hourCycle: "h23" } as const;
  return new Intl.DateTimeFormat(LOCALE, options).format(new Date(time));
}

/** The same with the year, where it is not this one: `Nov 21, 2025, 01:00`. */
export function date(time: string, now = new Date()): string {
  const that = new Date(time);
  if (that.getFullYear() === now.getFullYear()) return moment(that);
  const options = { dateStyle: "medium", timeStyle: "short", hourCycle: "h23" } as const;
  return new Intl.DateTimeFormat(LOCALE, options).format(that);
}

export function count(number: number): string {
  return new Intl.NumberFormat(LOCALE).format(number);
}

/** `.iso, .img or .csv` */
export function alternatives(items: readonly string[]): string {
  return new Intl.ListFormat(LOCALE, { type: "disjunction" }).format(items);
}
