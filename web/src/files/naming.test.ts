import { expect, test } from "vitest";
import { kindOf, nameOf, stemLength } from "./naming";
import type { Upload } from "./types";

function upload(name: string | null, type: string | null = null): Upload {
  return { name, type } as Upload;
}

test("the stem is what stands before the extension", () => {
  expect(stemLength("report.pdf")).toBe(6);
  expect(stemLength("archive.tar.gz")).toBe(11);
  expect(stemLength("README")).toBe(6);
  expect(stemLength(".profile")).toBe(8);
});

test("the extension says what kind of file it is, else the media type", () => {
  expect(kindOf(upload("report.pdf", "application/pdf"))).toBe("PDF");
  expect(kindOf(upload("README", "text/plain"))).toBe("text/plain");
  expect(kindOf(upload("a.whatever it is", "text/plain"))).toBe("text/plain");
  expect(kindOf(upload("README"))).toBe("");
  expect(kindOf(upload(null, "image/png"))).toBe("image/png");
});

test("a file without a name is called something", () => {
  expect(nameOf(upload(null))).not.toBe("");
});
