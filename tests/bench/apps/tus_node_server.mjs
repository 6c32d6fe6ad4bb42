// @tus/server as its documentation sets it up: a standalone server with a file store.
// Started in the directory where the packages are installed: modules are looked up from there, not from this file.
import { createRequire } from "node:module";
import { pathToFileURL } from "node:url";

const require = createRequire(`${process.cwd()}/`);
const load = (name) => import(pathToFileURL(require.resolve(name)));
const { Server } = await load("@tus/server");
const { FileStore } = await load("@tus/file-store");

const server = new Server({
  path: "/files",
  datastore: new FileStore({ directory: process.env.BENCH_DATA_DIR }),
});
server.listen({ host: "127.0.0.1", port: Number(process.env.BENCH_PORT) });
