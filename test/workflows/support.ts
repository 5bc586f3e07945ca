/**
 * A time machine for workflows: the server that skips time, the product's own workers, and a world of mocks. Mocks are
 * plain objects typed by what the product's factories make; here, and nowhere else in the tests.
 */

import { setTimeout as realTime } from 'node:timers/promises';
import { type Client, type WorkflowHandle, WorkflowNotFoundError } from '@temporalio/client';
import { ApplicationFailure, type Duration, defaultPayloadConverter } from '@temporalio/common';
import type { TestWorkflowEnvironment } from '@temporalio/testing';
import type { World } from '../../activities/index.ts';
import type { Crypto, Disputes, Mailer, Payments, Platform, Refunds } from '../../activities/providers.ts';
import type { ReconciliationActs } from '../../activities/reconciliation/reconcile.ts';
import type { WorkflowWakes } from '../../activities/world.ts';
import { startTimeSkippingServer } from '../../embedded/time-skipping.ts';
import type { Ledger } from '../../ledger/index.ts';
import { installRuntime } from '../../worker/runtime.ts';
import { createWorkers, type WorkersOptions } from '../../worker/workers.ts';
import { bundleWorkflows } from '../../worker/workflow-bundle.ts';
import { BILLING_STATE, SEARCH_ATTRIBUTES, workflowId } from '../../workflows/messages.ts';

/** Everything that a workflow can have done, by name. */
export type Acts = Ledger &
  WorkflowWakes &
  Payments &
  Crypto &
  Refunds &
  Disputes &
  Mailer &
  Platform &
  ReconciliationActs;
export type Act = keyof Acts;
/** What a story says of the world; an act that it says nothing of fails the workflow, unless the act answers nothing. */
export type Mocks = Partial<Acts>;

const ANSWERS_NOTHING: ReadonlySet<string> = new Set<Act>([
  'watch',
  'autoTopUp',
  'instance',
  'reservation',
  'deposit',
  'notice',
  'markTold',
  'confirmTerminated',
  'noteDeposit',
  'noteRefund',
  'markNoticeSent',
  'markNoticeRefused',
]);

/** Failing on purpose is what many stories are about; what the runtime says of it would only cover the result. */
const QUIET = { debug() {}, info() {}, warn() {}, error() {} };
/** Says only that something hangs. */
const REAL_TIME_LIMIT_MS = 90_000;
const LOOK_AGAIN_MS = 3;

/** One file's server and workers; its stories are played on it one after another. */
export interface Stage {
  readonly env: TestWorkflowEnvironment;
  /** Plays a story before a world of mocks, and ends the workflows of every id that it made. */
  play<T>(mocks: Mocks, story: (scene: Scene) => Promise<T>): Promise<T>;
  close(): Promise<void>;
}

type StageOptions = Pick<WorkersOptions, 'maxCachedWorkflows'> & {
  startServer?: () => Promise<TestWorkflowEnvironment>;
};

const skippingTime = () => startTimeSkippingServer({ searchAttributes: SEARCH_ATTRIBUTES });

export async function openStage({ startServer = skippingTime, ...options }: StageOptions = {}): Promise<Stage> {
  installRuntime(QUIET);
  const [env, workflowBundle] = await Promise.all([startServer(), bundleWorkflows()]);
  let scene: Scene | undefined;
  let scenes = 0;
  const world = worldOf((act, args) => {
    if (scene === undefined) throw ApplicationFailure.nonRetryable(`${act} was called when no story was played`);
    return scene.answer(act, args);
  });
  const workers = await createWorkers({
    connection: env.nativeConnection,
    namespace: 'default',
    world,
    workflowBundle,
    shutdownGraceTime: '1 second',
    ...options,
  });
  const running = workers.run();

  return {
    env,
    play: async (mocks, story) => {
      scenes += 1;
      scene = new Scene(env, mocks, scenes);
      try {
        return await Promise.race([
          story(scene),
          running.then(() => Promise.reject(new Error('the workers stopped in the middle of a story'))),
        ]);
      } finally {
        await scene.end();
        scene = undefined;
      }
    },
    close: async () => {
      workers.shutdown();
      await running;
      await env.teardown();
    },
  };
}

/** The world that the product's factory is handed: every act of every neighbour is answered by the story being played. */
function worldOf(answer: (act: string, args: unknown[]) => Promise<unknown>): World {
  const neighbour = <T extends object>() =>
    new Proxy({} as T, {
      get:
        (_, act) =>
        async (...args: unknown[]) =>
          answer(String(act), args),
    });
  return {
    ledger: neighbour(),
    wake: neighbour(),
    payments: neighbour(),
    refunds: neighbour(),
    disputes: neighbour(),
    crypto: neighbour(),
    mailer: neighbour(),
    platform: neighbour(),
    reconciliation: neighbour(),
  };
}

/** The workflows that may run under an id. */
const WORKFLOWS_OF = {
  inst: [workflowId.instance],
  resv: [workflowId.reservation],
  team: [workflowId.balanceWatch, workflowId.autoTopUp],
  dep: [workflowId.deposit],
  ref: [workflowId.refund],
  disp: [workflowId.dispute],
  notice: [workflowId.notice],
  day: [workflowId.reconciliation],
};
type Kind = keyof typeof WORKFLOWS_OF;
const kindOf = (id: string) => id.split('_', 1)[0] as Kind;

/** Numbers of Temporal's `EventType`: scheduled, and each way in which it is over. */
const TASK = { scheduled: 5, over: [7, 8, 9] };
const ACTIVITY = { scheduled: 10, over: [12, 13, 14, 16] };

interface Call {
  act: string;
  input: unknown;
}

/** One story: its mocks, what was asked of them, its clock, and the ids that it made. */
export class Scene {
  readonly env: TestWorkflowEnvironment;
  private readonly mocks: Mocks;
  private readonly number: number;
  private readonly heard: Call[] = [];
  private readonly ids: string[] = [];
  private readonly begunMs = performance.now();

  constructor(env: TestWorkflowEnvironment, mocks: Mocks, number: number) {
    this.env = env;
    this.mocks = mocks;
    this.number = number;
  }

  get client(): Client {
    return this.env.client;
  }

  /** An id that no other story of this server has. */
  id(kind: Kind, name = '1'): string {
    const id = `${kind}_${this.number}_${name}`;
    if (!this.ids.includes(id)) this.ids.push(id);
    return id;
  }

  handle(id: string): WorkflowHandle {
    return this.client.workflow.getHandle(id);
  }

  /** What an act was asked so far, oldest first. */
  calls<A extends Act>(act: A): Parameters<Acts[A]>[0][] {
    return this.heard.filter((call) => call.act === act).map(({ input }) => input as Parameters<Acts[A]>[0]);
  }

  /** The names of what was asked of the world, in order. */
  order(...of: Act[]): string[] {
    const acts = this.heard.map(({ act }) => act);
    return of.length > 0 ? acts.filter((act) => (of as string[]).includes(act)) : acts;
  }

  nowMs(): Promise<number> {
    return this.env.currentTimeMs();
  }

  /** The summaries of the timers that a workflow has set, the first first: each names its second exactly. */
  async alarms(workflowId: string): Promise<string[]> {
    const { events } = await this.handle(workflowId).fetchHistory();
    const summaries = (events ?? []).flatMap(({ timerStartedEventAttributes, userMetadata }) =>
      timerStartedEventAttributes && userMetadata?.summary ? [userMetadata.summary] : [],
    );
    return summaries.map((summary) => String(defaultPayloadConverter.fromPayload(summary)));
  }

  /** Whole seconds of real time since the story began: scenario time that a slow machine has added to it, at the most. */
  realSeconds(): number {
    return Math.floor((performance.now() - this.begunMs) / 1000);
  }

  /**
   * Seconds as they are expected; `alarms` holds them exactly. Each is no earlier, and no later than by the real time that the story has taken: what the
   * machine needs between a timer and the look that follows passes as scenario time too.
   */
  onTime(expected: number[], actual: number[]): number[] {
    const lateSeconds = this.realSeconds();
    return actual.map((second, index) => {
      const due = expected[index];
      return due !== undefined && second >= due && second <= due + lateSeconds ? due : second;
    });
  }

  /** Lets time pass; everything that falls due on the way happens on the way. */
  async pass(duration: Duration): Promise<void> {
    await this.env.sleep(duration);
  }

  async passTo(second: number): Promise<void> {
    const ms = second * 1000 - (await this.nowMs());
    if (ms > 0) await this.pass(Math.ceil(ms));
  }

  /** Waits, in real time and without letting scenario time leap, for what the workers are about to do. */
  async until(what: string, isSo: () => boolean | Promise<boolean>): Promise<void> {
    const deadline = performance.now() + REAL_TIME_LIMIT_MS;
    while (!(await isSo())) {
      if (performance.now() > deadline)
        throw new Error(`never came: ${what}; the world was asked ${this.order().slice(-20).join(', ')}`);
      await realTime(LOOK_AGAIN_MS);
    }
  }

  untilAsked(act: Act, times = 1): Promise<void> {
    return this.until(`${act} × ${times}`, () => this.calls(act).length >= times);
  }

  /** A search attribute as an operator finds it. */
  async attribute(id: string, key: (typeof SEARCH_ATTRIBUTES)[number]): Promise<unknown> {
    const { typedSearchAttributes } = await this.handle(id).describe();
    return typedSearchAttributes.get(key);
  }

  untilState(id: string, state: string): Promise<void> {
    return this.until(`${id} is ${state}`, async () => (await this.attribute(id, BILLING_STATE)) === state);
  }

  /** How many events a run has come to. */
  async events(id: string): Promise<number> {
    return (await this.handle(id).describe()).historyLength;
  }

  async answer(act: string, args: unknown[]): Promise<unknown> {
    this.heard.push({ act, input: args[0] });
    const mock = this.mocks[act as Act] as ((...given: unknown[]) => Promise<unknown>) | undefined;
    if (mock) return mock(...args);
    if (ANSWERS_NOTHING.has(act)) return undefined;
    throw ApplicationFailure.nonRetryable(`the story does not say what ${act} answers`);
  }

  /** Waits until a workflow has done all that it was woken for: none of its tasks and activities is waiting or under way. */
  async quiet(handle: WorkflowHandle): Promise<void> {
    await this.until(`${handle.workflowId} is quiet`, async () => {
      const { events } = await handle.fetchHistory();
      const count = (...types: number[]) => events?.filter((event) => types.includes(event.eventType ?? 0)).length;
      return count(TASK.scheduled) === count(...TASK.over) && count(ACTIVITY.scheduled) === count(...ACTIVITY.over);
    });
  }

  /** Ends what the story left running, each when it is quiet: what is cut off in the middle stops this server's clock for good. */
  async end(): Promise<void> {
    const handles = this.ids.flatMap((id) => WORKFLOWS_OF[kindOf(id)].map((named) => this.handle(named(id))));
    await Promise.all(
      handles.map(async (handle) => {
        try {
          const { status } = await handle.describe();
          if (status.name !== 'RUNNING') return;
          await this.quiet(handle);
          await handle.terminate('the story is over');
        } catch (error) {
          if (!(error instanceof WorkflowNotFoundError)) throw error;
        }
      }),
    );
  }
}

/**
 * Seconds as they are expected, give or take two, and later by the real time that the story has taken: the work between one
 * timer and the next passes as scenario time too. For a wait for a named second there is `Scene.onTime`.
 */
export const nearly = (scene: Scene, expected: number[], actual: number[]): number[] => {
  const latestSeconds = 2 + scene.realSeconds();
  return actual.map((second, index) => {
    const due = expected[index];
    return due !== undefined && second >= due - 2 && second <= due + latestSeconds ? due : second;
  });
};

// ── how mocks answer ─────────────────────────────────────────────────────────────────────────────────────────────

/** Answers one after another; the last again and again. */
export function inTurn<T>(...answers: T[]): () => Promise<T> {
  let next = 0;
  return async () => answers[Math.min(next++, answers.length - 1)] as T;
}

/** Is out of order the first times, then answers. */
export function failing<T>(times: number, answer: T): () => Promise<T> {
  let tries = 0;
  return async () => {
    tries += 1;
    if (tries <= times) throw new Error(`out of order, try ${tries}`);
    return answer;
  };
}

/** Fails each time with an error that no retry changes. */
export const refusing = (message: string) => async (): Promise<never> => {
  throw ApplicationFailure.nonRetryable(message, 'mail_refused');
};

/** Answers only once the test lets it. */
export function heldBack<T>(answer: T): { answer: () => Promise<T>; release: () => void } {
  let release = () => {};
  const released = new Promise<void>((resolve) => {
    release = resolve;
  });
  return { answer: () => released.then(() => answer), release };
}

/** A provider whose first look has read `before` and answers after `release` only. Later looks read `now`. */
export function heldLook<T>(before: T, now: T): { look: () => Promise<T>; release: () => void } {
  const { answer, release } = heldBack(before);
  let looks = 0;
  const look = async () => {
    looks += 1;
    return looks === 1 ? answer() : now;
  };
  return { look, release };
}
