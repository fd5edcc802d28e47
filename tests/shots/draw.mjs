// Draws pages as PNGs and asks axe-core about them: node draw.mjs PACKAGES MERMAID < pages.json
//
// A page is {file, picture, width, height, dark, whole, judged}. Prints one JSON line for each:
// {picture, seconds, bytes, faults}, where faults are the serious and critical ones of axe-core.
import { readFile, stat } from "node:fs/promises";
import { createRequire } from "node:module";
import { pathToFileURL } from "node:url";

const [packages, mermaid] = process.argv.slice(2);
const load = createRequire(pathToFileURL(`${packages}/`));
const { default: chromium } = await import(pathToFileURL(load.resolve("@sparticuz/chromium")));
const { default: puppeteer } = await import(pathToFileURL(load.resolve("puppeteer-core")));
const axe = await readFile(load.resolve("axe-core/axe.min.js"), "utf8");
const css = await readFile(load.resolve("github-markdown-css/github-markdown.css"), "utf8");
const pages = JSON.parse(await readFile("/dev/stdin", "utf8"));
const graphs = await readFile(`${mermaid}/mermaid/dist/mermaid.min.js`, "utf8").catch(() => "");

function drawGraphs() {
  for (const code of document.querySelectorAll("code.language-mermaid")) {
    const graph = Object.assign(document.createElement("div"), { className: "mermaid" });
    graph.textContent = code.textContent;
    code.parentElement.replaceWith(graph); // the style of code hides line breaks
  }
  return mermaid.run();
}

const browser = await puppeteer.launch({
  args: [...chromium.args, "--no-sandbox"],
  executablePath: await chromium.executablePath(),
  headless: "shell",
});
const tab = await browser.newPage();
await tab.setBypassCSP(true); // the pages let no script run
for (const one of pages) {
  const { width, height } = one;
  await tab.setViewport({ width, height, isMobile: width < 600, deviceScaleFactor: 1 });
  const scheme = one.dark ? "dark" : "light";
  await tab.emulateMediaFeatures([{ name: "prefers-color-scheme", value: scheme }]);
  const began = performance.now();
  await tab.goto(pathToFileURL(one.file), { waitUntil: "load" });
  const seconds = (performance.now() - began) / 1000;
  if (one.github) {
    await tab.addStyleTag({ content: css });
    if (graphs) {
      await tab.evaluate(graphs);
      await tab.evaluate(drawGraphs);
    }
  }
  let faults = [];
  const { size } = await stat(one.file);
  await tab.screenshot({ path: one.picture, fullPage: one.whole });
  if (one.judged) {
    if (size < 300_000) {
      await tab.evaluate(() => document.querySelectorAll("details").forEach((d) => (d.open = true)));
    }
    await tab.evaluate(axe);
    const found = await tab.evaluate(() => axe.run(document, { resultTypes: ["violations"] }));
    faults = found.violations
      .filter((fault) => ["serious", "critical"].includes(fault.impact))
      .map((fault) => `${fault.id}: ${fault.help}: ${fault.nodes[0].html.slice(0, 200)}`);
  }
  console.log(JSON.stringify({ picture: one.picture, seconds, bytes: size, faults }));
}
await browser.close();
