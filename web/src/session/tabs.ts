/** Tabs of the same browser: taking turns, and telling each other. */

export interface Channel<Message> {
  send(message: Message): void;
  listen(heard: (message: Message) => void): void;
}

/** A channel to the other tabs. What is sent stays within the browser's memory. */
export function openChannel<Message>(name: string): Channel<Message> {
  const channel = new BroadcastChannel(name);
  return {
    send: (message) => channel.postMessage(message),
    listen: (heard) => channel.addEventListener("message", (event: MessageEvent<Message>) => heard(event.data)),
  };
}

/**
 * Carry out a task while no other tab carries out one of that name. Browsers have locks on HTTPS and on localhost only;
 * elsewhere two tabs may refresh at once, and the server gives both the same answer.
 */
export async function withLock<Result>(name: string, task: () => Promise<Result>): Promise<Result> {
  const locks = (navigator as { locks?: LockManager }).locks;
  return locks ? ((await locks.request(name, task)) as Result) : task();
}
