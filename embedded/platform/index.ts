import { type Journal, openJournal } from '../journal.ts';
import { type Logger, toLog } from '../log.ts';
import { type Listening, listen } from '../web.ts';
import type { PlatformEvent } from './event.ts';
import { hookApp } from './hook.ts';
import { type Fare, type Mode, nextFare } from './mode.ts';
import { platformWebApp } from './web.ts';

export type { PlatformEvent } from './event.ts';
export type { Mode } from './mode.ts';

export interface PlatformOptions {
  /** The address that receives events. */
  readonly port?: number;
  /** The port of the page and the switch, reachable even when the platform is gone. */
  readonly webPort?: number;
  /** `whsec_` and base64, by Standard Webhooks. */
  readonly secret: string;
  /** Keeps the events as JSON lines, through restarts. */
  readonly file?: string;
  readonly logger?: Logger;
}

export interface PlatformStandIn {
  /** The value for PLATFORM_WEBHOOK_URL. */
  readonly url: string;
  readonly webUrl: string;
  /** Every received delivery, oldest first, forged and refused ones included. */
  events(): readonly PlatformEvent[];
  waitFor: Journal<PlatformEvent>['waitFor'];
  /** Resolves once the mode is in force: for `gone`, when connections are refused. */
  setMode(mode: Mode): Promise<void>;
  clear(): Promise<void>;
  stop(): Promise<void>;
}

const describe = ({ type, verified, answered }: PlatformEvent): string =>
  `${type}${verified ? '' : ' (forged)'} answered ${answered ?? 'to nobody'}`;

/** Stands in for the platform whose machines are billed: hears signed events, and can be slow, failing or away. */
export async function startPlatformStandIn(options: PlatformOptions): Promise<PlatformStandIn> {
  const journal = await openJournal<PlatformEvent>(options.file, describe);
  let mode: Mode = 'ok';

  function takeFare(): Fare {
    const { fare, next } = nextFare(mode);
    mode = next;
    return fare;
  }
  const receiver = hookApp({ secret: options.secret, journal, takeFare, log: toLog(options.logger) });
  let hook: Listening | undefined = await listen(receiver, options.port);
  const { port, url } = hook;

  // Changes run in sequence: 'gone' and 'ok' in quick succession must not meet on the port.
  let changed: Promise<void> = Promise.resolve();
  function setMode(next: Mode): Promise<void> {
    const change = changed.then(async () => {
      mode = next;
      if (next === 'gone') {
        await hook?.close();
        hook = undefined;
      } else {
        hook ??= await listen(receiver, port);
      }
    });
    changed = change.catch(() => {});
    return change;
  }

  const face = platformWebApp({ journal, mode: () => mode, setMode });
  const web = await listen(face, options.webPort).catch(async (error: Error) => {
    await hook?.close();
    throw error;
  });

  return {
    url: `${url}/events`,
    webUrl: web.url,
    events: journal.all,
    waitFor: journal.waitFor,
    clear: journal.clear,
    setMode,
    async stop() {
      await changed;
      await Promise.all([hook?.close(), web.close()]);
    },
  };
}
