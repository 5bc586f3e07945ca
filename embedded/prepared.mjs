/**
 * Loads the modules of a program at once, and runs the program when its environment arrives as JSON on the standard input.
 * Loading is most of the work of the api and the worker at their start, and needs no neighbour. A second argument names a
 * module to run in the meantime.
 */
import { text } from 'node:stream/consumers';

const [, , program, inAdvance] = process.argv;

async function load() {
  if (!program.endsWith('.mjs')) return;
  // Source maps are read when a file is loaded. The hundreds of package files are loaded first, without source maps.
  await import(program.replace(/\.mjs$/, '.packages.mjs'));
  process.setSourceMapsEnabled(true);
  await import(program.replace(/\.mjs$/, '.modules.mjs'));
  if (inAdvance) await import(inAdvance);
}

const [environment] = await Promise.all([text(process.stdin), load()]);
// The starting process has ended before the program could run.
if (environment === '') process.exit(0);
Object.assign(process.env, JSON.parse(environment));
// The program reads its own options, without the loader's options.
process.argv.length = 2;
await import(program);
