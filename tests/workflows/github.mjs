// Runs GitHub's own parser of workflows and evaluator of expressions. Each request and each answer
// is a line of JSON. The only argument is the folder of the libraries.
import { registerHooks } from "node:module";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { pathToFileURL } from "node:url";

registerHooks({
  load: (url, context, next) =>
    next(url, url.endsWith(".json") ? { ...context, importAttributes: { type: "json" } } : context),
});
const load = (name) => import(pathToFileURL(join(process.argv[2], name, "dist/index.js")));
const { NoOperationTraceWriter, convertWorkflowTemplate, parseWorkflow } = await load("@actions/workflow-parser");
const { data, Evaluator, Lexer, Parser } = await load("@actions/expressions");

/** `files` are texts by path or by `owner/repository/path@ref`; `name` is the one to parse. */
async function parse({ name, files }) {
  const parsed = parseWorkflow({ name, content: files[name] }, new NoOperationTraceWriter());
  const provider = {
    getFileContent: async (ref) => {
      const key = ref.repository ? `${ref.owner}/${ref.repository}/${ref.path}@${ref.version}` : ref.path;
      return { name: key, content: files[key] };
    },
  };
  let jobs = {};
  if (parsed.value) {
    const options = { fetchReusableWorkflowDepth: 1 };
    const template = await convertWorkflowTemplate(parsed.context, parsed.value, provider, options);
    jobs = Object.fromEntries((template.jobs ?? []).map((job) => [job.id.value, describe(job)]));
  }
  return { errors: parsed.context.errors.getErrors().map((error) => error.message), jobs };
}

function describe(job) {
  return { if: job.if.expression, needs: (job.needs ?? []).map((need) => need.value) };
}

/** `status` has the values of the functions success, failure, cancelled and always. */
function evaluate({ expression, contexts, status }) {
  const functions = Object.entries(status).map(([name, value]) => ({
    name,
    minArgs: 0,
    maxArgs: 0,
    call: () => new data.BooleanData(value),
  }));
  const { tokens } = new Lexer(expression).lex();
  const tree = new Parser(tokens, Object.keys(contexts), functions).parse();
  const known = JSON.parse(JSON.stringify(contexts), data.reviver);
  const named = new Map(functions.map((one) => [one.name, one]));
  const value = new Evaluator(tree, known, named).evaluate();
  return { text: value.coerceString(), isTrue: isTrue(value) };
}

function isTrue(value) {
  switch (value.kind) {
    case data.Kind.Null:
      return false;
    case data.Kind.Boolean:
      return value.value;
    case data.Kind.Number:
      return value.value !== 0 && !Number.isNaN(value.value);
    case data.Kind.String:
      return value.value !== "";
    default:
      return true;
  }
}

for await (const line of createInterface({ input: process.stdin })) {
  const request = JSON.parse(line);
  const answer = request.expression === undefined ? await parse(request) : evaluate(request);
  console.log(JSON.stringify(answer));
}
