/** What an access token says of itself (RFC 7519). Whether it is true is for the server to say. */

export interface Claims {
  readonly subject: string;
  readonly name: string;
  /** Milliseconds of the epoch. */
  readonly expiresAt: number | null;
}

/** Read a token's claims; what is missing is empty. */
export function readClaims(token: string): Claims {
  const payload = parse(token.split(".")[1] ?? "");
  const text = (name: string): string => (typeof payload[name] === "string" ? payload[name] : "");
  return {
    subject: text("sub"),
    name: text("preferred_username") || text("name") || text("sub"),
    expiresAt: typeof payload["exp"] === "number" ? payload["exp"] * 1000 : null,
  };
}

function parse(segment: string): Record<string, unknown> {
  try {
    const bytes = Uint8Array.from(atob(segment.replace(/-/g, "+").replace(/_/g, "/")), (char) => char.charCodeAt(0));
    const found: unknown = JSON.parse(new TextDecoder().decode(bytes));
    return typeof found === "object" && found !== null ? (found as Record<string, unknown>) : {};
  } catch {
    return {};
  }
}
