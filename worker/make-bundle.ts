/**
 * Makes the bundle of the workflows in advance: for an image, after `npm ci`, or while a worker waits for its environment.
 * With `--optional` a failure is only said: a worker makes the bundle itself when there is none.
 */
import { bundleWorkflows } from './workflow-bundle.ts';

try {
  await bundleWorkflows();
} catch (error) {
  process.stderr.write(`the workflows could not be bundled: ${(error as Error).message}\n`);
  if (!process.argv.includes('--optional')) process.exitCode = 1;
}
