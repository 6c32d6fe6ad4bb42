/** What goes wrong with a request: the server's problem documents (RFC 9457), and not reaching it at all. */

/** A problem document. `code` is for programs and stable; `detail` is for people, in English. */
export interface Problem {
  readonly status: number;
  readonly code: string;
  readonly title: string;
  readonly detail: string;
  /** Members that a code brings along, such as `resets_at`. */
  readonly [member: string]: unknown;
}

/** The code of a request that got no answer. */
export const UNREACHABLE = "unreachable";

export class ProblemError extends Error {
  override readonly name = "ProblemError";

  constructor(readonly problem: Problem) {
    super(problem.detail || problem.title);
  }

  get code(): string {
    return this.problem.code;
  }

  /** Whether the same request may succeed later. */
  get passes(): boolean {
    return this.code === UNREACHABLE || this.problem.status === 429 || this.problem.status >= 500;
  }
}

/** Read a problem from an answer's body; anything else, as a proxy may send, gets a code of its status. */
export function readProblem(status: number, body: string): Problem {
  const bare = { status, code: `http-${status}`, title: `HTTP ${status}`, detail: "" };
  try {
    const found: unknown = JSON.parse(body);
    return isProblem(found) ? { ...bare, ...found, status } : bare;
  } catch {
    return bare;
  }
}

function isProblem(found: unknown): found is { code: string } {
  return typeof found === "object" && found !== null && "code" in found && typeof found.code === "string";
}

export function unreachable(): ProblemError {
  return new ProblemError({ status: 0, code: UNREACHABLE, title: "Unreachable", detail: "" });
}
