// node validate.mjs FOLDER: checks every manifest below FOLDER against Kubernetes' own schemas: at
// run time by their validators, and as TypeScript, whose literals may have no unknown field.
import { execFileSync } from "node:child_process";
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { loadAll } from "js-yaml";

const HERE = fileURLToPath(new URL(".", import.meta.url));
const CORE = /^(v1|[a-z]+(\.k8s\.io)?\/.*)$/;

// The module that has a kind, or null for files of other programs than Kubernetes.
function moduleOf({ apiVersion, kind }) {
  if (apiVersion.startsWith("kustomize.config.k8s.io/")) return null;
  if (apiVersion.startsWith("monitoring.coreos.com/"))
    return `@kubernetes-models/prometheus-operator/${apiVersion}/${kind}`;
  if (!CORE.test(apiVersion)) throw new Error(`${apiVersion} ${kind}: no schema`);
  return `kubernetes-models/${apiVersion}/${kind}`;
}

function* manifests(folder) {
  for (const file of readdirSync(folder, { recursive: true })) {
    if (!file.endsWith(".yaml")) continue;
    for (const document of loadAll(readFileSync(join(folder, file), "utf8")))
      if (moduleOf(document)) yield { file, document, module: moduleOf(document) };
  }
}

async function main(folder) {
  const lines = [];
  let passed = 0;
  let failed = 0;
  for (const { file, document, module } of manifests(folder)) {
    const kind = document.kind;
    try {
      const model = (await import(module))[kind];
      new model(document).validate();
      passed++;
    } catch (error) {
      console.error(`${file}: ${kind}: ${error.message}`);
      failed++;
    }
    lines.push(`import type { I${kind} as T${lines.length} } from "${module}"; ` +
      `/* ${file} */ export const d${lines.length}: T${lines.length} = ${JSON.stringify(document)};`);
  }
  // Below this folder, where the modules are found.
  const work = mkdtempSync(join(HERE, "build-"));
  try {
    const source = join(work, "manifests.mts");
    writeFileSync(source, lines.join("\n"));
    execFileSync(join(HERE, "node_modules/.bin/tsc"),
      ["--noEmit", "--strict", "--skipLibCheck", "--target", "es2022", "--module", "nodenext", source],
      { stdio: "inherit" });
    passed++;
  } catch {
    failed++;
  } finally {
    rmSync(work, { recursive: true });
  }
  console.log(`${passed} passed, ${failed} failed`);
  return failed === 0 ? 0 : 1;
}

process.exitCode = await main(process.argv[2]);
