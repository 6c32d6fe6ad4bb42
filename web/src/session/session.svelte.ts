/**
 * Who is signed in, and with which token.
 *
 * The access token is in memory alone; the refresh token is in a cookie that no script can read. Each refresh token is
 * good once, so tabs take turns (Web Locks) and pass on what they got (BroadcastChannel).
 */

import { ProblemError } from "../api/problem";
import type { TokenSource } from "../api/client";
import { request } from "../api/request";
import type { Configuration, Tokens, User } from "../api/types";
import { expiryOf } from "./claims";
import { type Channel, openChannel, withLock } from "./tabs";

/** Where it stands: `over` is a session that ended while the page goes on showing what it showed. */
export type Phase = "starting" | "signed-out" | "signed-in" | "over";

/** What other tabs are told. */
export type Message = { readonly kind: "signed-in"; readonly user: User; readonly token: Token } | { readonly kind: "signed-out" };

export interface Token {
  readonly value: string;
  /** When another one should be had, in milliseconds of the epoch. */
  readonly renewAt: number;
}

export interface Surroundings {
  readonly now: () => number;
  readonly channel: Channel<Message>;
  readonly lock: <Result>(task: () => Promise<Result>) => Promise<Result>;
  /** Begin anew: the page belongs to somebody else now. */
  readonly reload: () => void;
}

/** Seconds before its end at which a token is replaced; of short-lived ones a third of their time. */
const MARGIN = 60;

/** Whose uploads they are where nobody signs in. */
const EVERYBODY: User = { id: "everybody", username: "", role: "user" };

export class Session implements TokenSource {
  phase = $state<Phase>("starting");
  user = $state.raw<User | null>(null);

  #auth: Configuration["auth"] = "local";
  #token: Token | null = null;
  #renewing: Promise<void> | null = null;
  #waiting: (() => void)[] = [];
  readonly #around: Surroundings;

  constructor(around: Partial<Surroundings> = {}) {
    this.#around = {
      now: Date.now,
      channel: around.channel ?? openChannel<Message>("longshore.session"),
      lock: (task) => withLock("longshore.session", task),
      reload: () => location.reload(),
      ...around,
    };
    this.#around.channel.listen((message) => this.#hear(message));
  }

  /** Go on with the session that the browser has a cookie of, if it has. Throws `ProblemError`. */
  async start(auth: Configuration["auth"]): Promise<void> {
    this.#auth = auth;
    if (auth === "none") this.#enter(EVERYBODY, null);
    else if (auth === "external") this.phase = "signed-out";
    else await this.#renew();
  }

  async token(): Promise<string | null> {
    while (this.#auth !== "none") {
      if (this.#token && this.#around.now() < this.#token.renewAt) return this.#token.value;
      if (this.phase === "signed-in") await this.#renew();
      else await new Promise<void>((resolve) => this.#waiting.push(resolve));
    }
    return null;
  }

  /** Whether those who are signed in have a password here; fixed once the session has started. */
  get hasPassword(): boolean {
    return this.#auth === "local";
  }

  /** When the token should be renewed, in milliseconds of the epoch; null where there is none. */
  get renewsAt(): number | null {
    return this.#token?.renewAt ?? null;
  }

  refused(token: string): void {
    if (this.#token?.value === token) this.#token = null;
  }

  /** Sign in with name and password. Throws `ProblemError`. */
  async signIn(username: string, password: string): Promise<void> {
    const given = await this.#around.lock(() => request("POST", "auth/session", { body: { username, password } }));
    await this.#take(given as Tokens);
  }

  /** Make an account and sign in. Throws `ProblemError`. */
  async register(username: string, password: string, invitation?: string): Promise<void> {
    await request("POST", "auth/register", { body: { username, password, ...(invitation && { invitation }) } });
    await this.signIn(username, password);
  }

  /** Go on with an access token of an external issuer, until it ends. Throws `ProblemError`. */
  async usePastedToken(value: string): Promise<void> {
    const user = (await request("GET", "auth/me", { token: value })) as User;
    this.#settle(user, { value, renewAt: expiryOf(value) ?? Number.MAX_SAFE_INTEGER });
  }

  /**
   * Get another token at once, for all tabs: after the password was changed those so far are void.
   * Throws `ProblemError`; whoever needs a token next tries again then.
   */
  renew(): Promise<void> {
    this.#token = null;
    return this.#renew();
  }

  /** End the session, in all tabs, and then clear away what is left of it. Throws `ProblemError`: nothing ended then. */
  async signOut(clear: () => Promise<void> = () => Promise.resolve()): Promise<void> {
    if (this.#auth === "local") await this.#around.lock(() => request("DELETE", "auth/session"));
    this.#around.channel.send({ kind: "signed-out" });
    this.#token = null;
    await clear();
    this.#around.reload();
  }

  /** Get the next token; tabs and callers that need one at the same time share it. */
  #renew(): Promise<void> {
    const token = this.#token;
    this.#renewing ??= this.#around
      .lock(async () => {
        // Another tab may have got one while this one waited.
        if (this.#token !== token && this.#token) return;
        await this.#askForNext();
      })
      .finally(() => (this.#renewing = null));
    return this.#renewing;
  }

  async #askForNext(): Promise<void> {
    if (this.#auth === "external") {
      this.#end();
      return;
    }
    try {
      const given = (await request("POST", "auth/session/refresh", { body: {} })) as Tokens | undefined;
      if (given) await this.#take(given);
      else this.#end();
    } catch (error) {
      if (!(error instanceof ProblemError) || error.problem.status !== 401) throw error;
      this.#end();
    }
  }

  async #take(given: Tokens): Promise<void> {
    const margin = Math.min(MARGIN, given.expires_in / 3);
    const token = { value: given.access_token, renewAt: this.#around.now() + (given.expires_in - margin) * 1000 };
    const user = (await request("GET", "auth/me", { token: token.value })) as User;
    this.#settle(user, token);
  }

  #settle(user: User, token: Token): void {
    this.#around.channel.send({ kind: "signed-in", user, token });
    this.#enter(user, token);
  }

  #enter(user: User, token: Token | null): void {
    if (this.user && this.user.id !== user.id) {
      this.#around.reload();
      return;
    }
    this.user = user;
    this.#token = token;
    this.phase = "signed-in";
    for (const go of this.#waiting.splice(0)) go();
  }

  #end(): void {
    this.#token = null;
    this.phase = this.user ? "over" : "signed-out";
  }

  #hear(message: Message): void {
    if (message.kind === "signed-in") this.#enter(message.user, message.token);
    else if (this.user) this.#around.reload();
  }
}

export const session = new Session();
