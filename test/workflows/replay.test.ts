/**
 * Tests that workflow code is deterministic: each story runs on a worker without a cache, and each recorded history
 * replays.
 */
import { Worker } from '@temporalio/worker';
import { DeterminismViolationError } from '@temporalio/workflow';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { installRuntime } from '../../worker/runtime.ts';
import { bundleWorkflows } from '../../worker/workflow-bundle.ts';
import { ofBudget } from '../support/budget.ts';
import { asHistory, type RecordedHistory, readHistories } from './histories.ts';
import { STORIES, type Story } from './stories.ts';
import { openStage, type Stage } from './support.ts';

/** Each story costs a second. `npm test` plays the first of each workflow here, and replays the recorded history of all below. */
const PLAYED = ofBudget({ test: firstOfEach(STORIES), long: STORIES });

function firstOfEach(stories: readonly Story[]): Story[] {
  const firsts = new Map<string, Story>();
  for (const story of stories) {
    const [kind = ''] = story.name.split('-');
    if (!firsts.has(kind)) firsts.set(kind, story);
  }
  return [...firsts.values()];
}

const QUIET = { debug() {}, info() {}, warn() {}, error() {} };

describe('a worker without a cache, which replays the whole history at each step,', () => {
  let remembering: Stage;
  let forgetful: Stage;
  beforeAll(async () => {
    remembering = await openStage();
    forgetful = await openStage({ maxCachedWorkflows: 0 });
  });
  afterAll(() => Promise.all([remembering, forgetful].map((stage) => stage?.close())));

  const actsOf = (stage: Stage, { begin }: Story): Promise<string[]> => {
    const { mocks, tell } = begin();
    return stage.play(mocks, async (scene) => {
      await tell(scene);
      return scene.order();
    });
  };

  it.each(PLAYED)('gives in the story $name the same result as any worker', async (story) => {
    expect(await actsOf(forgetful, story)).toEqual(await actsOf(remembering, story));
  });
});

/** Replays histories one after another on a single worker. Returns the error of each, by its name. */
async function replay(histories: RecordedHistory[], code: string): Promise<Map<string, Error | undefined>> {
  const errors = new Map<string, Error | undefined>();
  const given = histories.map(({ history, workflowId }) => ({ history: asHistory(history), workflowId }));
  for await (const { error } of Worker.runReplayHistories({ workflowBundle: { code } }, given))
    errors.set(histories[errors.size]?.name ?? '', error);
  return errors;
}

describe('a recorded history', async () => {
  const histories = await readHistories();
  let code: string;
  beforeAll(async () => {
    installRuntime(QUIET);
    ({ code } = await bundleWorkflows());
  });

  it('is kept for each story', () => {
    const kept = new Set(histories.map(({ name }) => name.split('.', 1)[0]));
    expect(kept).toEqual(new Set(STORIES.map(({ name }) => name)));
  });

  it('contains nothing about the machine on which it was recorded, and no personal data', () => {
    for (const { name, history } of histories)
      expect(JSON.stringify(history), name).not.toMatch(/"identity"|stackTrace|node_modules|file:\/\/|@[a-z]+\.[a-z]/i);
  });

  describe('replays on the current workflows:', () => {
    let errors: Map<string, Error | undefined>;
    beforeAll(async () => {
      errors = await replay(histories, code);
    });

    it.each(histories)('$name', ({ name }) => {
      expect(errors.has(name)).toBe(true);
      expect(errors.get(name)).toBeUndefined();
    });
  });

  it('of an instance replays on a worker without the settlement offset, as in an earlier release', async () => {
    const changed = code.replace(/waitMs = \(_input_firstSettleMs = [^;]*;/g, 'waitMs = input.settleEveryMs;');
    expect(changed).not.toBe(code);
    const of = histories.filter(({ name }) => name === 'instance-whose-start-was-recorded-before.instance');
    expect(of).toHaveLength(1);
    expect([...(await replay(of, changed)).values()]).toEqual([undefined]);
  });

  /** What each workflow asks first or last, changed into something else: a change that would break what runs. */
  const CHANGES: Array<[workflow: string, was: RegExp, becomes: string]> = [
    ['instance', /\.settleInstance\(/g, '.stopInstance('],
    ['reservation', /\.settleReservation\(/g, '.settleInstance('],
    ['balance-watch', /\.lookAhead\(/g, '.openAttempt('],
    ['auto-top-up', /\.openAttempt\(/g, '.lookAhead('],
    ['deposit', /\.tellWatch\(/g, '.tellAutoTopUp('],
    ['refund', /\.(requestRefund|findRefundOrder)\(/g, '.noteRefund('],
    ['dispute', /\.findDisputeOrder\(/g, '.openDispute('],
    ['notice', /\.(sendMail|sendEvent|deliverMail|deliverEvent)\(/g, '.sent('],
  ];
  it.each(CHANGES)('does not replay on a changed %s', async (workflow, was, becomes) => {
    const changed = code.replace(was, becomes);
    expect(changed).not.toBe(code);
    const of = histories.filter(({ name }) => name.endsWith(`.${workflow}`) && !name.includes('refused'));
    expect(of.length).toBeGreaterThan(0);
    const errors = await replay(of, changed);
    expect(errors.size).toBe(of.length);
    for (const [name, error] of errors) expect(error, name).toBeInstanceOf(DeterminismViolationError);
  });
});
