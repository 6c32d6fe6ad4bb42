/**
 * The requests of uploads: XMLHttpRequest, which tells of progress, with four things that tus-js-client leaves to us.
 *
 * Each request gets the newest token. One that the server refuses for its token is repeated with another, unseen by
 * tus-js-client, which would begin anew after a HEAD that is answered 401. For the same reason a HEAD that is answered
 * with what passes (429, 5xx of a proxy while the server restarts) counts as a lost connection: that is tried again.
 *
 * And a request that nothing is heard of for too long is given up, and counts as a lost connection as well: where a
 * network swallows what is sent, without ending the connection, a browser would wait for many minutes, or for ever.
 */

import type { HttpRequest, HttpResponse, HttpStack } from "tus-js-client";
import type { TokenSource } from "../api/client";

/** Milliseconds without a byte sent after which a request is given up; the server itself waits no longer for the next. */
const SILENCE = 60_000;

/** Milliseconds that the answer may take once everything is sent: the server may have much to check by then. */
const ANSWER = 300_000;

/** Milliseconds that the answer to a HEAD may take: it is short, and asking again costs nothing. */
const INQUIRY = 30_000;

/** The file cannot be read, or has changed since it was chosen: trying again is of no use. */
export class UnreadableFile extends Error {
  override readonly name = "UnreadableFile";
}

export class Transport implements HttpStack {
  constructor(readonly tokens: TokenSource) {}

  createRequest(method: string, url: string): TransportRequest {
    return new TransportRequest(this.tokens, method, url);
  }

  getName(): string {
    return "Longshore";
  }
}

export class TransportRequest implements HttpRequest {
  /** Told when the request has failed in a way that passes. */
  onlost: () => void = () => undefined;

  readonly #tokens: TokenSource;
  readonly #method: string;
  readonly #url: string;
  readonly #headers = new Map<string, string>();
  #progress: (sent: number) => void = () => undefined;
  #xhr = new XMLHttpRequest();
  #aborted = false;

  constructor(tokens: TokenSource, method: string, url: string) {
    this.#tokens = tokens;
    this.#method = method;
    this.#url = url;
  }

  getMethod(): string {
    return this.#method;
  }

  getURL(): string {
    return this.#url;
  }

  setHeader(header: string, value: string): void {
    this.#headers.set(header, value);
  }

  getHeader(header: string): string | undefined {
    return this.#headers.get(header);
  }

  setProgressHandler(handler: (sent: number) => void): void {
    this.#progress = handler;
  }

  getUnderlyingObject(): XMLHttpRequest {
    return this.#xhr;
  }

  abort(): Promise<void> {
    this.#aborted = true;
    this.#xhr.abort();
    return Promise.resolve();
  }

  /** Send it. Never settles once it was aborted, as tus-js-client expects. */
  async send(body: unknown = null): Promise<HttpResponse> {
    try {
      const token = await this.#tokens.token();
      const answer = await this.#attempt(token, body);
      if (answer.getStatus() !== 401 || !token) return this.#settled(answer);
      this.#tokens.refused(token);
      return this.#settled(await this.#attempt(await this.#tokens.token(), body));
    } catch (error) {
      // Browsers report a file that they cannot read like a lost connection.
      if (body instanceof Blob && !(await isReadable(body))) throw new UnreadableFile();
      this.onlost();
      throw error;
    }
  }

  #attempt(token: string | null, body: unknown): Promise<HttpResponse> {
    return new Promise((resolve, reject) => {
      if (this.#aborted) return;
      const xhr = (this.#xhr = new XMLHttpRequest());
      xhr.open(this.#method, this.#url);
      for (const [name, value] of this.#headers) xhr.setRequestHeader(name, value);
      if (token) xhr.setRequestHeader("Authorization", `Bearer ${token}`);
      const watchdog = new Watchdog(() => {
        xhr.abort();
        reject(new Error("nothing was heard for too long"));
      });
      xhr.upload.onprogress = (event) => {
        watchdog.allow(SILENCE);
        if (event.lengthComputable) this.#progress(event.loaded);
      };
      xhr.upload.onload = () => watchdog.allow(ANSWER);
      xhr.onload = () => resolve(new TransportResponse(xhr));
      xhr.onerror = () => reject(new Error("the connection was lost"));
      xhr.onloadend = () => watchdog.stop();
      watchdog.allow(this.#method === "HEAD" ? INQUIRY : body === null ? ANSWER : SILENCE);
      xhr.send(body as XMLHttpRequestBodyInit | null);
    });
  }

  #settled(answer: HttpResponse): HttpResponse {
    const status = answer.getStatus();
    if (this.#method === "HEAD" && (status === 401 || status === 429 || status >= 500)) {
      throw new Error(`the server cannot tell just now (${status})`);
    }
    if (status === 423 || status >= 500) this.onlost();
    return answer;
  }
}

/** Tells when nothing has happened for too long. Time without a network does not count. */
class Watchdog {
  readonly #bark: () => void;
  #timer: ReturnType<typeof setTimeout> | undefined;

  constructor(bark: () => void) {
    this.#bark = bark;
  }

  /** Allow so many milliseconds from now on. */
  allow(time: number): void {
    this.stop();
    this.#timer = setTimeout(() => (navigator.onLine ? this.#bark() : this.allow(time)), time);
  }

  stop(): void {
    clearTimeout(this.#timer);
  }
}

async function isReadable(blob: Blob): Promise<boolean> {
  return blob.slice(0, 1).arrayBuffer().then(
    () => true,
    () => false,
  );
}

class TransportResponse implements HttpResponse {
  readonly #xhr: XMLHttpRequest;

  constructor(xhr: XMLHttpRequest) {
    this.#xhr = xhr;
  }

  getStatus(): number {
    return this.#xhr.status;
  }

  getHeader(header: string): string | undefined {
    return this.#xhr.getResponseHeader(header) ?? undefined;
  }

  getBody(): string {
    return this.#xhr.responseText;
  }

  getUnderlyingObject(): XMLHttpRequest {
    return this.#xhr;
  }
}
