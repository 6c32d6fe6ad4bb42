/** Put a text on the clipboard; whether that could be done: browsers have one on HTTPS and on localhost only. */
export async function copy(text: string): Promise<boolean> {
  const clipboard = (navigator as { clipboard?: Clipboard }).clipboard;
  try {
    await clipboard?.writeText(text);
    return clipboard !== undefined;
  } catch {
    return false;
  }
}
