/** The texts in the reader's language. There is one so far; another one has to have the same keys. */

import { en } from "./en";

export type Texts = typeof en;

export const texts: Texts = en;
