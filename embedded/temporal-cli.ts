/**
 * `npm run temporal -- …`: the Temporal CLI with the address and namespace of a running `npm start`, or of the
 * environment. All arguments go to the CLI unchanged; help needs no server.
 */
import { spawn } from 'node:child_process';
import { commandEnvironment, dataFolder } from '../process/published.ts';
import { resolveTemporalCli } from './temporal-programs.ts';
import { toolsFolder } from './tools-folder.ts';

async function main(): Promise<number> {
  const environment = await commandEnvironment(process.env);
  const args = process.argv.slice(2);
  const isHelp = args.length === 0 || args.includes('--help') || args.includes('-h');
  if (!environment.TEMPORAL_ADDRESS && !isHelp)
    throw new Error('TEMPORAL_ADDRESS is not set, and no npm start runs in this folder (or in BURNRATE_DATA_DIR).');
  const cli = await resolveTemporalCli({ dataDir: await toolsFolder(dataFolder(process.env)) });
  const { TEMPORAL_ADDRESS, TEMPORAL_NAMESPACE = 'default' } = environment;
  const env = { ...process.env, ...(TEMPORAL_ADDRESS && { TEMPORAL_ADDRESS }), TEMPORAL_NAMESPACE };
  const child = spawn(cli, args, { stdio: 'inherit', env });
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
