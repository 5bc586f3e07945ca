import { type Surroundings, startSurroundings } from '../../simulate/surroundings.ts';
import { runPostgres } from './database.ts';
import { TEMPLATE } from './global-setup.ts';

/** The real parts for a file's scenarios, with their databases in the run's Postgres. */
export const shareSurroundings = (): Promise<Surroundings> =>
  startSurroundings({ postgres: runPostgres(), template: TEMPLATE });
