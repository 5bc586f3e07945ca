import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { CAUSE, TEAM_ID } from '../../workflows/messages.ts';
import { createTell } from '../../workflows/telling.ts';
import { startNotice } from './given.ts';
import { failing, openStage, type Stage } from './support.ts';

const TIMEOUT = { timeout: 30_000 };
let stage: Stage;
beforeAll(async () => {
  stage = await openStage();
}, 60_000);
afterAll(() => stage.close(), 30_000);

describe('a notice', TIMEOUT, () => {
  it('that is a mail is sent once, and by no other way', () =>
    stage.play({ sendMail: async () => {} }, async (scene) => {
      const handle = await startNotice(scene, 'mail');
      await handle.result();
      expect(scene.order()).toEqual(['sendMail']);
      expect(scene.calls('sendMail')).toMatchObject([{ noticeId: scene.id('notice') }]);
      await scene.untilState(handle.workflowId, 'sent');
      expect(await scene.attribute(handle.workflowId, TEAM_ID)).toBe(scene.id('team'));
      expect(await scene.attribute(handle.workflowId, CAUSE)).toBe(scene.id('notice'));
    }));

  it('that is a mail waits out a mail server that is down for hours', () =>
    stage.play({ sendMail: failing(60, undefined) }, async (scene) => {
      const handle = await startNotice(scene, 'mail');
      await scene.pass('4 hours');
      expect(scene.calls('sendMail').length).toBeGreaterThan(40);
      await scene.untilState(handle.workflowId, 'sending');
      await handle.result();
      expect(scene.calls('sendMail')).toHaveLength(61);
      await scene.untilState(handle.workflowId, 'sent');
    }));

  it('that is an event is tried until the platform answers 2xx, at least each minute', () =>
    stage.play({ sendEvent: failing(90, undefined) }, async (scene) => {
      const handle = await startNotice(scene, 'event');
      await scene.pass('1 hour');
      expect(scene.calls('sendEvent').length).toBeGreaterThanOrEqual(60);
      await handle.result();
      expect(scene.order()).toEqual(Array(91).fill('sendEvent'));
    }));

  it('keeps the second in which it was asked for, however late it is sent', () =>
    stage.play({ sendMail: failing(20, undefined) }, async (scene) => {
      await (await startNotice(scene, 'mail')).result();
      expect(new Set(scene.calls('sendMail').map(({ nowSecond }) => nowSecond)).size).toBe(1);
    }));

  it('that is handed on twice, before its end or after it, is sent once', () =>
    stage.play({ sendMail: async () => {} }, async (scene) => {
      const { notice } = createTell(scene.client);
      const input = { noticeId: scene.id('notice'), teamId: scene.id('team'), channel: 'mail' as const };
      await notice(input);
      await notice(input);
      await scene.handle(`notice/${input.noticeId}`).result();
      await notice(input);
      expect(scene.calls('sendMail')).toHaveLength(1);
    }));
});
