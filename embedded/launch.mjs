/** `npm start` and `npm run dev`: print a first line at once, then build and run `embedded/start.ts`. */
import { buildPrograms } from './build.mjs';

if (process.argv.length === 2 || process.argv.includes('--dev')) process.stdout.write('Burnrate is starting.\n');
const programs = await buildPrograms();
if (programs) await import(programs.start);
else {
  // Without write access the sources are loaded directly, which takes longer.
  const { register } = await import('tsx/esm/api');
  register();
  await import('./start.ts');
}
