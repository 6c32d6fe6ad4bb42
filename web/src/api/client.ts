/** The API client: requests with the newest token, repeated once with another when the server takes that one no more. */

import { ProblemError } from "./problem";
import { request } from "./request";
import type { Configuration, Usage } from "./types";

/** Where tokens come from. */
export interface TokenSource {
  /** A token that is good for a while; null where none is needed. Waits while somebody has to sign in. */
  token(): Promise<string | null>;
  /** Take note that the server does not take a token. */
  refused(token: string): void;
}

export interface Options {
  readonly body?: unknown;
  readonly query?: Readonly<Record<string, string | number | boolean | undefined>>;
  readonly signal?: AbortSignal;
}

export class Api {
  constructor(readonly tokens: TokenSource) {}

  /** Ask for something under the API, such as `api/uploads`. Throws `ProblemError`. */
  async request<Answer>(method: string, path: string, options: Options = {}): Promise<Answer> {
    const token = await this.tokens.token();
    try {
      return await this.#send<Answer>(method, path, options, token);
    } catch (error) {
      if (!token || !(error instanceof ProblemError) || error.problem.status !== 401) throw error;
      this.tokens.refused(token);
      return this.#send<Answer>(method, path, options, await this.tokens.token());
    }
  }

  get<Answer>(path: string, options?: Options): Promise<Answer> {
    return this.request<Answer>("GET", path, options);
  }

  post<Answer>(path: string, body: unknown, options?: Options): Promise<Answer> {
    return this.request<Answer>("POST", path, { ...options, body });
  }

  patch<Answer>(path: string, body: unknown, options?: Options): Promise<Answer> {
    return this.request<Answer>("PATCH", path, { ...options, body });
  }

  delete(path: string, options?: Options): Promise<undefined> {
    return this.request<undefined>("DELETE", path, options);
  }

  usage(): Promise<Usage> {
    return this.get<Usage>("api/usage");
  }

  #send<Answer>(method: string, path: string, options: Options, token: string | null): Promise<Answer> {
    const { body, signal } = options;
    return request(method, path + queryOf(options), { body, signal, token }) as Promise<Answer>;
  }
}

/** What the server allows; it needs no token. */
export async function readConfiguration(): Promise<Configuration> {
  return (await request("GET", "api/configuration")) as Configuration;
}

function queryOf({ query = {} }: Options): string {
  const given = Object.entries(query).filter(([, value]) => value !== undefined);
  return given.length ? `?${new URLSearchParams(given.map(([name, value]) => [name, String(value)]))}` : "";
}
