/**
 * Tests that workflow code is deterministic: each story runs on a worker without a cache, and each recorded history
 * replays.
 */
import { Worker } from '@temporalio/worker';
import { DeterminismViolationError } from '@temporalio/workflow';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { installRuntime } from '../../worker/runtime.ts';
import { bundleWorkflows } from '../../worker/workflow-bundle.ts';
import { asHistory, readHistories } from './histories.ts';
import { STORIES, type Story } from './stories.ts';
import { openStage, type Stage } from './support.ts';

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

  it.each(STORIES)('gives in the story $name the same result as any worker', async (story) => {
    expect(await actsOf(forgetful, story)).toEqual(await actsOf(remembering, story));
  });
});

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

  it.each(histories)('replays on the current workflows: $name', ({ history, workflowId }) =>
    Worker.runReplayHistory({ workflowBundle: { code } }, asHistory(history), workflowId),
  );

  it('of an instance replays on a worker without the settlement offset, as in an earlier release', async () => {
    const changed = code.replace(/waitMs = \(_input_firstSettleMs = [^;]*;/g, 'waitMs = input.settleEveryMs;');
    expect(changed).not.toBe(code);
    const of = histories.filter(({ name }) => name === 'instance-whose-start-was-recorded-before.instance');
    expect(of).toHaveLength(1);
    for (const { history, workflowId } of of)
      await Worker.runReplayHistory({ workflowBundle: { code: changed } }, asHistory(history), workflowId);
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
    for (const { history, workflowId } of of)
      await expect(
        Worker.runReplayHistory({ workflowBundle: { code: changed } }, asHistory(history), workflowId),
      ).rejects.toBeInstanceOf(DeterminismViolationError);
  });
});
