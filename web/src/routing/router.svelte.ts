/** The router: the part of the address after `#`, such as `#/files/0a1b`. The server never sees it. */

export interface Route {
  /** The parts of the path, decoded: `["files", "0a1b"]`. */
  readonly path: readonly string[];
  /** What follows `?` in the hash. */
  readonly query: URLSearchParams;
}

/** Read a hash; what cannot be decoded is taken as it is. */
export function parse(hash: string): Route {
  const [path = "", query = ""] = hash.replace(/^#\/?/, "").split("?", 2);
  return { path: path.split("/").filter(Boolean).map(decoded), query: new URLSearchParams(query) };
}

/** The hash of a path and a query: `link(["files", id])` is `#/files/…`. */
export function link(path: readonly string[], query?: Record<string, string>): string {
  const search = new URLSearchParams(query).toString();
  return `#/${path.map(encodeURIComponent).join("/")}${search && `?${search}`}`;
}

function decoded(part: string): string {
  try {
    return decodeURIComponent(part);
  } catch {
    return part;
  }
}

class Router {
  #route = $state.raw<Route>(parse(typeof location === "undefined" ? "" : location.hash));
  /** Whether the browser is on its way back, which it does when it gets to it. */
  #leaving = false;
  /** Where to go once it is there. */
  #next: (() => void) | undefined;

  get route(): Route {
    return this.#route;
  }

  /** Follow the address from now on. */
  start(): void {
    addEventListener("hashchange", () => {
      this.#leaving = false;
      this.#route = parse(location.hash);
      const next = this.#next;
      this.#next = undefined;
      next?.();
    });
  }

  /** Go back to this place, from which the one here was come to. It is shown at once. */
  back(path: readonly string[], query?: Record<string, string>): void {
    if (this.#leaving) return;
    this.#leaving = true;
    this.#route = parse(link(path, query));
    history.back();
  }

  /** Go somewhere; `replace` leaves no entry in the history, as for what is typed into a search field. */
  go(path: readonly string[], query?: Record<string, string>, { replace = false } = {}): void {
    if (this.#leaving) {
      // What would be replaced now is the entry that is being left.
      this.#next = () => this.go(path, query, { replace });
      return;
    }
    if (!replace) {
      location.hash = link(path, query);
      return;
    }
    history.replaceState(history.state, "", link(path, query));
    this.#route = parse(location.hash);
  }
}

export const router = new Router();
