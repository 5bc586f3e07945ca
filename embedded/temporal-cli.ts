/**
 * `npm run temporal -- …`: the Temporal CLI with the address and namespace of the `npm start` that runs beside it, or of the
 * environment. All arguments go to the CLI as they are.
 */
import { spawn } from 'node:child_process';
import { commandEnvironment, dataFolder } from '../worker/published.ts';
import { resolveTemporalCli } from './temporal-programs.ts';

async function main(): Promise<number> {
  const environment = await commandEnvironment(process.env);
  if (!environment.TEMPORAL_ADDRESS)
    throw new Error('TEMPORAL_ADDRESS is not set, and no npm start runs in this folder (or in BURNRATE_DATA_DIR).');
  const cli = await resolveTemporalCli({ dataDir: dataFolder(process.env) });
  const { TEMPORAL_ADDRESS, TEMPORAL_NAMESPACE = 'default' } = environment;
  const child = spawn(cli, process.argv.slice(2), {
    stdio: 'inherit',
    env: { ...process.env, TEMPORAL_ADDRESS, TEMPORAL_NAMESPACE },
  });
  return new Promise((resolve, reject) => {
    child.once('error', reject);
    child.once('exit', (code) => resolve(code ?? 1));
  });
}

main().then(
  (status) => process.exit(status),
  (error: Error) => {
    process.stderr.write(`temporal: ${error.message}\n`);
    process.exit(2);
  },
);
