/** The client that views use. */

import { session } from "../session/session.svelte";
import { Api } from "./client";

export const api = new Api(session);
