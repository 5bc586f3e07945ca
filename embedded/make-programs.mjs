/**
 * Builds the programs of `npm start` in advance, after `npm ci`. A failure is only printed, because `npm start` builds
 * the programs if necessary.
 */
import { buildPrograms } from './build.mjs';

try {
  await buildPrograms();
} catch (error) {
  process.stderr.write(`the programs of npm start could not be built: ${error.message}\n`);
}
