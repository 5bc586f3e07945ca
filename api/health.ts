/** Whether the process is up, and whether it can do its work. */
import type { RequestHandler } from 'express';
import type { ApiWorld } from './world.ts';

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

/** GET /readyz: 200 when the database and Temporal answer and a worker asks for work, else 503 that says which does not. */
export const readyz =
  ({ db, engine }: ApiWorld): RequestHandler =>
  async (_request, response) => {
    const [database, temporal, worker] = await Promise.all([
      within(db.$queryRaw`SELECT 1`),
      engine.reachable(),
      engine.workerPolling(),
    ]);
    const ready = database && temporal && worker;
    response.status(ready ? 200 : 503).json({ status: ready ? 'ready' : 'not_ready', database, temporal, worker });
  };
