// `prisma generate` asks for its schema engine, which it does not use and which cannot be downloaded everywhere: any
// file that exists satisfies it (docs/decisions/0002-prisma-without-its-engine.md).
import { spawnSync } from 'node:child_process';

const env = { PRISMA_SCHEMA_ENGINE_BINARY: process.execPath, ...process.env, PRISMA_HIDE_UPDATE_MESSAGE: '1' };
const { status } = spawnSync('prisma', ['generate', '--no-hints'], { stdio: 'inherit', env, shell: true });
process.exit(status ?? 1);
