/** What the browser keeps of uploads, so that they survive a reload: small files themselves, and what is known of all. */

/** Golden Retriever's database. */
const DATABASE = "uppy-blobs";

/** How long it is kept: as long as servers keep unfinished uploads by default. */
export const KEPT_FOR = 7 * 24 * 60 * 60 * 1000;

/** Files larger than this are not kept, only that they are being uploaded. Golden Retriever's limit. */
export const LARGEST_KEPT = 10 * 1024 * 1024;

/** Forget the files, so that whoever uses the browser next finds none. Where unfinished uploads are stays known. */
export function forgetFiles(): Promise<void> {
  return new Promise((resolve) => {
    const request = indexedDB.deleteDatabase(DATABASE);
    request.onsuccess = request.onerror = request.onblocked = () => resolve();
  });
}
