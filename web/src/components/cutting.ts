/** Where a file's name may be cut when there is no room for all of it. */

/** An extension and up to four characters before it; not beside a space, which would be lost there. */
const END = /(?<=\S)\S{1,4}(\.[^\s.]{1,10})?$/u;

/** Names that fit wherever one stands are left in one piece. */
const SHORT = 16;

/** The part of a name that can be shortened, and the one that stays: its end, with the extension. */
export function cut(name: string): [start: string, end: string] {
  const at = name.length > SHORT ? name.search(END) : -1;
  return at < 0 ? [name, ""] : [name.slice(0, at), name.slice(at)];
}
