// Checks a file of Kubernetes manifests against its API: manifests.mjs FILE
//
// To be run beside node_modules with kubernetes-models, which is made from Kubernetes' own OpenAPI
// description, js-yaml and TypeScript. The schemas say whether values are right and nothing is
// missing. They let pass a field that the API does not know, which its server would drop in
// silence; so the manifests are also compiled as literals of the API's types.
import { spawnSync } from 'node:child_process';
import fs from 'node:fs';
import yaml from 'js-yaml';

const lines = [];
let wrong = 0;
for (const manifest of yaml.loadAll(fs.readFileSync(process.argv[2], 'utf8'))) {
  const { apiVersion, kind } = manifest;
  const what = `${apiVersion} ${kind}`;
  try {
    const models = await import(`kubernetes-models/${apiVersion}`);
    new models[kind](manifest).validate();
    console.log(`${what} ${manifest.metadata.name}: ok`);
  } catch (error) {
    wrong++;
    console.log(`${what}: ${error.message}`);
  }
  lines.push(`export const m${lines.length}: import('kubernetes-models/${apiVersion}').I${kind} =`,
    `  ${JSON.stringify(manifest)};`);
}
fs.writeFileSync('manifests.ts', lines.join('\n') + '\n');
const options = ['--noEmit', '--strict', '--skipLibCheck', '--target', 'es2022', '--module',
  'esnext', '--moduleResolution', 'bundler'];
const compiled = spawnSync('node_modules/.bin/tsc', [...options, 'manifests.ts'], { encoding: 'utf8' });
process.stdout.write(compiled.stdout);
process.exit(wrong === 0 && lines.length > 0 && compiled.status === 0 ? 0 : 1);
