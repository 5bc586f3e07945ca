// `prisma generate` requires a schema engine that is never used and cannot be downloaded everywhere. Any existing file
// satisfies the check (docs/decisions/0002-prisma-without-its-engine.md).
import { spawnSync } from 'node:child_process';
import { createRequire } from 'node:module';
import { join } from 'node:path';

const cli = createRequire(import.meta.url).resolve('prisma/build/index.js');
const env = { PRISMA_SCHEMA_ENGINE_BINARY: process.execPath, ...process.env, PRISMA_HIDE_UPDATE_MESSAGE: '1' };
const cwd = join(import.meta.dirname, '..');
const { status } = spawnSync(process.execPath, [cli, 'generate', '--no-hints'], { cwd, stdio: 'inherit', env });
process.exit(status ?? 1);
