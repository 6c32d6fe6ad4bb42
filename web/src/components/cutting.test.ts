import { expect, test } from "vitest";
import { cut } from "./cutting";

test.each([
  ["measurements-october.zip", "measurements-oct", "ober.zip"],
  ["minutes of the meeting 2.txt", "minutes of the meeting 2", ".txt"],
  ["minutes of the meeting.txt", "minutes of the mee", "ting.txt"],
  ["a folder's archive.tar.gz", "a folder's archive", ".tar.gz"],
  ["a name without an extension", "a name without an exten", "sion"],
  ["a sentence. And another one.", "a sentence. And another o", "ne."],
  ["short.txt", "short.txt", ""],
  ["", "", ""],
  ["fotos vom hafen 🌊🌊🌊🌊🌊🌊.jpeg", "fotos vom hafen 🌊🌊", "🌊🌊🌊🌊.jpeg"],
])("of %s", (name, start, end) => {
  expect(cut(name)).toEqual([start, end]);
});
