/** `npm start` and `npm run dev`: say at once that something happens, then build and run `embedded/start.ts`. */
import { buildPrograms } from './build.mjs';

if (process.argv.length === 2 || process.argv.includes('--dev')) process.stdout.write('Burnrate is starting.\n');
const programs = await buildPrograms();
if (programs) await import(programs.start);
else {
  // Where nothing can be kept, the sources are loaded as they are, which takes longer.
  const { register } = await import('tsx/esm/api');
  register();
  await import('./start.ts');
}
