// Reads Mermaid sources from standard input, separated by NUL; fails at the first that is none.
// Libraries are found from the folder that is given as the only argument.
import { createRequire } from "node:module";
import { readFileSync } from "node:fs";
import { pathToFileURL } from "node:url";

const require = createRequire(process.argv[2] + "/");
const { JSDOM } = require("jsdom");
const { window } = new JSDOM("");
globalThis.window = window;
globalThis.document = window.document;
const entry = require.resolve("mermaid");
const { default: mermaid } = await import(pathToFileURL(entry));
for (const source of readFileSync(0, "utf8").split("\0")) {
  const { diagramType } = await mermaid.parse(source);
  console.log(diagramType);
}
