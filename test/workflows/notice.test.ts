/** Tests the workflow of a notice: mails, events and customer copies are claimed, sent once and marked. */
import { type ApplicationFailure, WorkflowFailedError } from '@temporalio/client';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { CAUSE, TEAM_ID } from '../../workflows/messages.ts';
import { createWorkflowWakes } from '../../workflows/signals.ts';
import { startNotice } from './given.ts';
import { failing, inTurn, openStage, refusing, type Stage } from './support.ts';

let stage: Stage;
beforeAll(async () => {
  stage = await openStage();
});
afterAll(() => stage.close());

const claimed = { claimNotice: async () => 'claimed' as const };
const REFUSAL = 'mail: the server refused the recipient for good (EENVELOPE 550 5.1.1 to RCPT TO)';

describe('a notice', () => {
  it('that is a mail is claimed, sent once and marked', () =>
    stage.play({ ...claimed, deliverMail: async () => {} }, async (scene) => {
      const handle = await startNotice(scene, 'mail');
      await handle.result();
      expect(scene.order()).toEqual(['claimNotice', 'deliverMail', 'markNoticeSent']);
      expect(scene.calls('deliverMail')).toMatchObject([{ noticeId: scene.id('notice') }]);
      await scene.untilState(handle.workflowId, 'sent');
      expect(await scene.attribute(handle.workflowId, TEAM_ID)).toBe(scene.id('team'));
      expect(await scene.attribute(handle.workflowId, CAUSE)).toBe(scene.id('notice'));
    }));

  it('that is an event is claimed, sent once and marked', () =>
    stage.play({ ...claimed, deliverEvent: async () => {} }, async (scene) => {
      await (await startNotice(scene, 'event')).result();
      expect(scene.order()).toEqual(['claimNotice', 'deliverEvent', 'markNoticeSent']);
    }));

  it('that is a copy of a team’s details is made when the provider accepts it', () =>
    stage.play({ copyCustomer: failing(3, undefined) }, async (scene) => {
      const handle = await startNotice(scene, 'customer');
      await handle.result();
      expect(scene.order()).toEqual(Array(4).fill('copyCustomer'));
      await scene.untilState(handle.workflowId, 'sent');
    }));

  it('that is a mail is retried while the mail server is down for hours', () =>
    stage.play({ ...claimed, deliverMail: failing(60, undefined) }, async (scene) => {
      const handle = await startNotice(scene, 'mail');
      await scene.pass('4 hours');
      expect(scene.calls('deliverMail').length).toBeGreaterThan(40);
      await scene.untilState(handle.workflowId, 'sending');
      await handle.result();
      expect(scene.calls('deliverMail')).toHaveLength(61);
      await scene.untilState(handle.workflowId, 'sent');
    }));

  it('that is an event is retried until the platform answers 2xx, at least each minute', () =>
    stage.play({ ...claimed, deliverEvent: failing(90, undefined) }, async (scene) => {
      const handle = await startNotice(scene, 'event');
      await scene.pass('1 hour');
      expect(scene.calls('deliverEvent').length).toBeGreaterThanOrEqual(60);
      await handle.result();
      expect(scene.order('deliverEvent')).toHaveLength(91);
    }));

  it.each(['mail', 'event'] as const)('that is a %s is not sent while the database refuses its claim', (channel) =>
    stage.play(
      { claimNotice: failing(3, 'claimed'), deliverMail: async () => {}, deliverEvent: async () => {} },
      async (scene) => {
        const handle = await startNotice(scene, channel);
        await scene.untilAsked('claimNotice', 2);
        expect(scene.order('deliverMail', 'deliverEvent')).toEqual([]);
        await handle.result();
        expect(scene.order('deliverMail', 'deliverEvent')).toHaveLength(1);
      },
    ),
  );

  it.each(['mail', 'event'] as const)(
    'that is a %s whose marking failed is marked later, and not sent again',
    (channel) =>
      stage.play(
        {
          ...claimed,
          deliverMail: async () => {},
          deliverEvent: async () => {},
          markNoticeSent: failing(3, undefined),
        },
        async (scene) => {
          await (await startNotice(scene, channel)).result();
          expect(scene.order('deliverMail', 'deliverEvent')).toHaveLength(1);
          expect(scene.calls('markNoticeSent')).toHaveLength(4);
        },
      ),
  );

  it('that an earlier run has sent is not sent again', () =>
    stage.play({ claimNotice: async () => 'sent' }, async (scene) => {
      const handle = await startNotice(scene, 'mail');
      await handle.result();
      expect(scene.order()).toEqual(['claimNotice']);
      await scene.untilState(handle.workflowId, 'sent');
    }));

  it('that the receiver refuses permanently fails with the reason, which is stored with the notice', () =>
    stage.play({ ...claimed, deliverMail: refusing(REFUSAL) }, async (scene) => {
      const handle = await startNotice(scene, 'mail');
      const error = await handle.result().catch((reason: unknown) => reason);
      expect(error).toBeInstanceOf(WorkflowFailedError);
      const { cause } = (error as WorkflowFailedError).cause as ApplicationFailure;
      expect(cause).toMatchObject({ message: REFUSAL, type: 'mail_refused' });
      expect(scene.calls('markNoticeRefused')).toMatchObject([{ noticeId: scene.id('notice'), refusal: REFUSAL }]);
      expect(scene.order('deliverMail', 'markNoticeSent')).toEqual(['deliverMail']);
      await scene.untilState(handle.workflowId, 'refused');
    }));

  it('that was refused is sent by a second run when it is started again', () => {
    const answers = inTurn<() => Promise<void>>(refusing(REFUSAL), async () => {});
    return stage.play({ ...claimed, deliverMail: async () => (await answers())() }, async (scene) => {
      const { notice } = createWorkflowWakes(scene.client);
      const input = { noticeId: scene.id('notice'), teamId: scene.id('team'), channel: 'mail' as const };
      await notice(input);
      await scene
        .handle(`notice/${input.noticeId}`)
        .result()
        .catch(() => {});
      await notice(input);
      await scene.handle(`notice/${input.noticeId}`).result();
      expect(scene.order('deliverMail', 'markNoticeSent')).toEqual(['deliverMail', 'deliverMail', 'markNoticeSent']);
    });
  });

  it('keeps the second in which it was requested, however late it is sent', () =>
    stage.play({ ...claimed, deliverMail: failing(20, undefined) }, async (scene) => {
      await (await startNotice(scene, 'mail')).result();
      expect(new Set(scene.calls('deliverMail').map(({ nowSecond }) => nowSecond)).size).toBe(1);
    }));

  it('that is started twice, before or after its end, is sent once', () =>
    stage.play({ ...claimed, deliverMail: async () => {} }, async (scene) => {
      const { notice } = createWorkflowWakes(scene.client);
      const input = { noticeId: scene.id('notice'), teamId: scene.id('team'), channel: 'mail' as const };
      await notice(input);
      await notice(input);
      await scene.handle(`notice/${input.noticeId}`).result();
      await notice(input);
      expect(scene.calls('deliverMail')).toHaveLength(1);
    }));
});
