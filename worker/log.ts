/** The worker's log: a line for each event that someone should act on, with the reason. */
import { type DestinationStream, type Logger, pino } from 'pino';
import { describeError } from '../process/log-errors.ts';

/** Temporal's SDK says `error` where we say `err`: left to itself, the reason of an activity's failure would be `{}`. */
const serializers = { err: describeError, error: describeError };

export const createWorkerLogger = (level: string, destination?: DestinationStream): Logger => {
  const options = { level, base: { process: 'worker' }, serializers };
  return destination ? pino(options, destination) : pino(options);
};
