// Drives tus-js-client through one task, given as JSON in the first argument, and tells what happens as lines of JSON.
//
// path      the file to upload
// options   tus-js-client's own, as far as JSON can hold them
// stream    read the file as a stream of unknown length
// storage   a file that keeps upload URLs between processes
// previous  go on with the upload that the storage knows of this file
// abortAt   bytes sent after which to abort; the upload is then started again, or terminated if `terminate` is set
// dieAt     bytes sent after which the process kills itself
// account   origin, username and password to sign in with; tokens are renewed when half of their time is over, or, with
//           `late`, once one has been refused
// pause     milliseconds to wait before each request
import { createReadStream } from "node:fs";
import { PassThrough } from "node:stream";
import { FileUrlStorage, Upload } from "tus-js-client";

const task = JSON.parse(process.argv[2]);
const say = (event, fields = {}) => console.log(JSON.stringify({ event, ...fields }));

let tokens;
let stale = false;
let renewing;

async function getTokens(path, fields) {
  const headers = { "Content-Type": "application/json" };
  const answer = await fetch(task.account.origin + path, { method: "POST", headers, body: JSON.stringify(fields) });
  if (!answer.ok) throw new Error(`${path}: ${answer.status}`);
  const given = await answer.json();
  say("tokens", { path });
  tokens = { ...given, renewAt: Date.now() + given.expires_in * 500 };
  stale = false;
}

async function renew() {
  // One at a time: a refresh token that is used twice ends the sign-in, and parallel uploads share it.
  renewing ??= getTokens("/auth/refresh", { refresh_token: tokens.refresh_token }).finally(() => (renewing = undefined));
  await renewing;
}

async function authorize(request) {
  await new Promise((resolve) => setTimeout(resolve, task.pause ?? 0));
  if (!task.account) return;
  if (stale || (!task.account.late && Date.now() >= tokens.renewAt)) await renew();
  request.setHeader("Authorization", `Bearer ${tokens.access_token}`);
}

function isWorthAnotherTry(error) {
  const status = error.originalResponse?.getStatus() ?? 0;
  stale ||= status === 401 && task.account !== undefined;
  return stale || status === 0 || status === 409 || status === 423 || status >= 500;
}

if (task.account) {
  const { username, password } = task.account;
  await getTokens("/auth/token", { username, password });
}

const file = createReadStream(task.path);
const options = {
  ...task.options,
  onBeforeRequest: authorize,
  ...(task.account?.late && { onShouldRetry: isWorthAnotherTry }),
  onUploadUrlAvailable: () => say("url", { url: upload.url }),
  onProgress,
  onAfterResponse: (request, response) =>
    say("response", {
      method: request.getMethod(),
      override: request.getHeader("X-HTTP-Method-Override"),
      concat: request.getHeader("Upload-Concat"),
      status: response.getStatus(),
      offset: Number(response.getHeader("Upload-Offset") ?? -1),
    }),
  onSuccess: () => say("success", { url: upload.url }),
  onError: (error) => {
    say("error", { message: error.message });
    process.exitCode = 1;
  },
};
if (task.storage) {
  options.urlStorage = new FileUrlStorage(task.storage);
}
const upload = new Upload(task.stream ? file.pipe(new PassThrough()) : file, options);
let aborted = false;

function onProgress(sent) {
  if (task.dieAt && sent >= task.dieAt) {
    process.kill(process.pid, "SIGKILL");
  }
  if (task.abortAt && sent >= task.abortAt && !aborted) {
    aborted = true;
    abort();
  }
}

async function abort() {
  await upload.abort(task.terminate ?? false);
  say("aborted", { url: upload.url });
  if (!task.terminate) {
    upload.start();
  }
}

if (task.previous) {
  const found = await upload.findPreviousUploads();
  say("previous", { count: found.length });
  upload.resumeFromPreviousUpload(found[0]);
}
upload.start();
