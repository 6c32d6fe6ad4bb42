/** What an access token says of itself (RFC 7519). Whether it is true is for the server to say. */

/** When a token ends, in milliseconds of the epoch; null where it does not say. */
export function expiryOf(token: string): number | null {
  const expires = payloadOf(token)["exp"];
  return typeof expires === "number" ? expires * 1000 : null;
}

function payloadOf(token: string): Record<string, unknown> {
  try {
    const segment = token.split(".")[1] ?? "";
    const bytes = Uint8Array.from(atob(segment.replace(/-/g, "+").replace(/_/g, "/")), (char) => char.charCodeAt(0));
    const found: unknown = JSON.parse(new TextDecoder().decode(bytes));
    return typeof found === "object" && found !== null ? (found as Record<string, unknown>) : {};
  } catch {
    return {};
  }
}
