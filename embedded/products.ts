/** The api and the worker of `npm start`, which are started, restarted and ended together. */
import { type PreparedProduct, type ProductName, type ProductProcess, prepareProduct } from './product.ts';
import type { Supervised } from './supervisor.ts';

export interface Product extends Supervised {
  readonly name: ProductName;
  pid(): number;
  /** Starts a process with the present sources and ends the earlier process. */
  replace(): Promise<void>;
}

export interface Products {
  readonly all: readonly Product[];
  /** Runs both programs. Their packages are loaded or being loaded. */
  run(environment: Record<string, string>, say: (line: string) => void): Promise<void>;
  end(): Promise<void>;
}

export async function startProducts(log: (line: string) => void): Promise<Products> {
  const names = ['worker', 'api'] as const;
  const parts = await Promise.all(names.map((name) => startPart(name, log)));
  return {
    all: parts.map(({ product }) => product),
    run: async (environment, say) => {
      await Promise.all(
        parts.map(async ({ product, run }) => {
          await run(environment);
          say(product.name === 'api' ? 'the api listens' : 'the worker runs');
        }),
      );
    },
    end: async () => {
      await Promise.all(parts.map(({ end }) => end()));
    },
  };
}

async function startPart(name: ProductName, log: (line: string) => void) {
  const prepared: PreparedProduct = await prepareProduct(name, log);
  let environment: Record<string, string> = {};
  let current: ProductProcess | null = null;
  let turn: Promise<void> = Promise.resolve();

  /** Changes run in sequence: a restart after a crash and a restart after an edit would start two processes. */
  function inTurn(work: () => Promise<void>): Promise<void> {
    const done = turn.then(work);
    turn = done.catch(() => {});
    return done;
  }

  /** The end of a replaced process does not count. */
  async function exited(): Promise<string> {
    for (;;) {
      const watched = current;
      const how = (await watched?.exited) ?? 'not started';
      await turn;
      if (watched === current) return how;
    }
  }
  const product: Product = {
    name,
    pid: () => current?.pid ?? prepared.pid,
    exited,
    start: () =>
      inTurn(async () => {
        if (current?.isAlive()) return;
        current = await (await prepareProduct(name, log)).start(environment);
      }),
    replace: () =>
      inTurn(async () => {
        const next = await prepareProduct(name, log);
        await current?.end();
        current = await next.start(environment);
      }),
  };
  return {
    product,
    async run(given: Record<string, string>) {
      environment = given;
      current = await prepared.start(environment);
    },
    end: async () => {
      await turn;
      await (current ?? prepared).end();
    },
  };
}
