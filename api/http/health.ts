/** Health of the process, and readiness of its neighbours. */
import type { RequestHandler } from 'express';
import { secondOf } from '../../billing/time.ts';
import { proveWritable } from '../../prisma/readiness.ts';
import type { ApiWorld } from '../world.ts';

const LOOK_WITHIN_MS = 2_000;

const within = (look: Promise<unknown>): Promise<boolean> =>
  new Promise((resolve) => {
    const timer = setTimeout(() => resolve(false), LOOK_WITHIN_MS);
    look
      .then(
        () => resolve(true),
        () => resolve(false),
      )
      .finally(() => clearTimeout(timer));
  });

export const healthz: RequestHandler = (_request, response) => {
  response.json({ status: 'ok' });
};

/**
 * GET /readyz: 200 when the database takes a write, Temporal answers, a worker polls and the clock of this process is
 * right; else 503 with the parts that fail. The check writes, because a full disk and a read-only standby would pass a
 * read, and every recording call fails there.
 */
export const readyz =
  ({ db, engine, nowMs, clock: watch }: ApiWorld): RequestHandler =>
  async (_request, response) => {
    const [database, writable, temporal, worker] = await Promise.all([
      within(db.$queryRaw`SELECT 1`),
      within(proveWritable(db, secondOf(nowMs()))),
      engine.reachable(),
      engine.workerPolling(),
      within(watch?.look() ?? Promise.resolve()),
    ]);
    const clock = watch?.isRight() ?? true;
    const ready = database && writable && temporal && worker && clock;
    const status = ready ? 'ready' : 'not_ready';
    response.status(ready ? 200 : 503).json({ status, database, writable, temporal, worker, clock });
  };
