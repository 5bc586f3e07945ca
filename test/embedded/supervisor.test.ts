/** Tests the supervisor of npm start: restarts, delays, limits and shutdown. */
import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { createSupervisor, type SupervisorOptions } from '../../embedded/supervisor.ts';

/** A part whose end and whose starts are made by the test. */
function part(name = 'Postgres') {
  let end: (how: string) => void = () => {};
  let exited = new Promise<string>((resolve) => {
    end = resolve;
  });
  const outcomes: Array<Error | null> = [];
  let starts = 0;
  return {
    fails: (...errors: Error[]) => void outcomes.push(...errors),
    end: (how: string) => end(how),
    starts: () => starts,
    supervised: {
      name,
      exited: () => exited,
      async start() {
        starts++;
        const outcome = outcomes.shift();
        if (outcome) throw outcome;
        exited = new Promise<string>((resolve) => {
          end = resolve;
        });
      },
    },
  };
}

function supervise(options: Partial<SupervisorOptions> = {}) {
  const said: string[] = [];
  const watched = part();
  const supervisor = createSupervisor({ say: (line) => void said.push(line), delaysMs: [0, 1, 1], ...options });
  supervisor.watch(watched.supervised);
  return { said, watched, supervisor };
}

describe('the supervisor of npm start', () => {
  it('restarts a part that ends, and prints both events', async () => {
    const { said, watched, supervisor } = supervise();
    watched.end('SIGKILL');
    await expect.poll(() => said).toEqual(['Postgres ended (SIGKILL): it is started again.', 'Postgres is back.']);
    expect(watched.starts()).toBe(1);
    await supervisor.stop();
  });

  it('retries a failed start, with a longer delay each time', async () => {
    const { said, watched, supervisor } = supervise({ delaysMs: [0, 2, 3] });
    watched.fails(new Error('port taken'), new Error('port still taken'));
    watched.end('SIGKILL');
    await expect.poll(() => said.at(-1)).toBe('Postgres is back.');
    expect(said).toContain('Postgres ended (port taken): it is started again in 0.002 s.');
    expect(said).toContain('Postgres ended (port still taken): it is started again in 0.003 s.');
    await supervisor.stop();
  });

  it('fails with a sentence when a part cannot be kept running', async () => {
    const { watched, supervisor } = supervise();
    watched.fails(new Error('no space'), new Error('no space'), new Error('no space left'));
    watched.end('code 1');
    await expect(supervisor.failed).rejects.toThrow(
      'Postgres ended 4 times in a row and is not started again. no space left',
    );
  });

  it('counts consecutive short runs, and resets the count after a long run', async () => {
    const short = supervise({ delaysMs: [0, 0], steadyMs: 60_000 });
    for (let crash = 1; crash <= 2; crash++) {
      short.watched.end('SIGSEGV');
      await expect.poll(() => short.watched.starts()).toBe(crash);
      await sleep(1);
    }
    short.watched.end('SIGSEGV');
    await expect(short.supervisor.failed).rejects.toThrow('3 times in a row');

    const long = supervise({ delaysMs: [0, 0], steadyMs: 0 });
    for (let crash = 1; crash <= 5; crash++) {
      long.watched.end('SIGSEGV');
      await expect.poll(() => long.said.filter((line) => line.endsWith('is back.')).length).toBe(crash);
    }
    await long.supervisor.stop();
  });

  it('retries without a limit if it is configured so', async () => {
    const { said, watched, supervisor } = supervise({ delaysMs: [0], givesUp: false });
    watched.fails(...Array.from({ length: 8 }, () => new Error('a syntax error')));
    watched.end('code 1');
    await expect.poll(() => said.at(-1)).toBe('Postgres is back.');
    await supervisor.stop();
  });

  it('restarts nothing after it is stopped', async () => {
    const { said, watched, supervisor } = supervise();
    await supervisor.stop();
    watched.end('SIGTERM');
    await sleep(5);
    expect(watched.starts()).toBe(0);
    expect(said).toEqual([]);
  });

  it('stops only after a restart in progress is finished', async () => {
    const { watched, supervisor } = supervise();
    let begun = false;
    let finish: () => void = () => {};
    watched.supervised.start = () =>
      new Promise<void>((resolve) => {
        begun = true;
        finish = resolve;
      });
    watched.end('SIGKILL');
    await expect.poll(() => begun).toBe(true);
    let stopped = false;
    const stop = supervisor.stop().then(() => {
      stopped = true;
    });
    await sleep(5);
    expect(stopped).toBe(false);
    finish();
    await stop;
  });
});
