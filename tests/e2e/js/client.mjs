// Drives tus-js-client through one task, given as JSON in the first argument, and tells what happens as lines of JSON.
//
// path      the file to upload
// options   tus-js-client's own, as far as JSON can hold them
// stream    read the file as a stream of unknown length
// storage   a file that keeps upload URLs between processes
// previous  go on with the upload that the storage knows of this file
// abortAt   bytes sent after which to abort; the upload is then started again, or terminated if `terminate` is set
// dieAt     bytes sent after which the process kills itself
import { createReadStream } from "node:fs";
import { PassThrough } from "node:stream";
import { FileUrlStorage, Upload } from "tus-js-client";

const task = JSON.parse(process.argv[2]);
const say = (event, fields = {}) => console.log(JSON.stringify({ event, ...fields }));

const file = createReadStream(task.path);
const options = {
  ...task.options,
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
