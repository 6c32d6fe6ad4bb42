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
  return locks ? await locks.request(name, task) : task();
}

/** Milliseconds in which another tab that has something says so, or one that is being reloaded lets go of it. */
const CLAIM_TIME = 400;

/**
 * Claim something that one tab may have at a time, for as long as this page lives; whether it is this one's now.
 * Without locks the tabs ask each other, which is good enough for people: two would have to be opened at once.
 */
export function claim(name: string): Promise<boolean> {
  const locks = (navigator as { locks?: LockManager }).locks;
  return locks ? claimLock(locks, name) : claimByAsking(name);
}

function claimLock(locks: LockManager, name: string): Promise<boolean> {
  return new Promise((resolve) => {
    const held = locks.request(name, { signal: AbortSignal.timeout(CLAIM_TIME) }, () => {
      resolve(true);
      return new Promise(() => undefined);
    });
    held.catch(() => resolve(false));
  });
}

function claimByAsking(name: string): Promise<boolean> {
  const channel = openChannel<"whose?" | "mine">(name);
  return new Promise((resolve) => {
    let mine: boolean | null = null;
    channel.listen((message) => {
      if (message === "whose?" && mine) channel.send("mine");
      if (message === "mine" && mine === null) resolve((mine = false));
    });
    setTimeout(() => {
      mine ??= true;
      resolve(mine);
    }, CLAIM_TIME);
    channel.send("whose?");
  });
}
