/** From a problem to a text that says what is wrong and what to do. */

import { type Problem, ProblemError } from "../api/problem";
import { texts } from "./index";

export function explain(problem: Problem): string {
  const known: Record<string, (problem: Problem) => string> = texts.problems;
  return known[problem.code]?.(problem) ?? texts.problem(problem);
}

/** The same for whatever was thrown; what is no problem document is a fault of this program. */
export function explainError(error: unknown): string {
  if (error instanceof ProblemError) return explain(error.problem);
  throw error;
}
