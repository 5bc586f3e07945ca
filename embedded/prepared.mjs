/**
 * A process that loads the packages of a program at once, and runs the program when its environment arrives as JSON on the
 * standard input. Loading takes longer than all else that the api and the worker do at their start, and needs no neighbour.
 * A second argument names a module to run in the meantime.
 */
import { text } from 'node:stream/consumers';

const [, , program, inAdvance] = process.argv;
const [environment] = await Promise.all([
  text(process.stdin),
  inAdvance && import(inAdvance),
  program.endsWith('.mjs') && import(program.replace(/\.mjs$/, '.packages.mjs')),
]);
// Whoever started this process has ended before the program could run.
if (environment === '') process.exit(0);
Object.assign(process.env, JSON.parse(environment));
await import(program);
