/**
 * Events to the platform: POSTs signed by Standard Webhooks, under an id that is the same for the same cause, so a
 * receiver recognises a retried delivery. Source: docs/http.md#outgoing-events, https://www.standardwebhooks.com
 */

import { performance } from 'node:perf_hooks';
import { Webhook } from 'standardwebhooks';
import type { BillingSettings } from '../../billing/account.ts';
import { prefixedId } from '../../billing/ids.ts';
import { formatDollars } from '../../billing/money.ts';
import { formatSecond } from '../../billing/time.ts';
import { type EndedInstance, endedInstances } from '../../ledger/ended-instances.ts';
import type { Db } from '../../prisma/client.ts';
import { digest128 } from '../../prisma/digest.ts';
import { confirmTerminated, unconfirmedOf } from '../../prisma/instances.ts';
import { claimNotice, findNotice, markSent } from '../../prisma/notices.ts';
import { final, passing } from '../failures.ts';
import { doneOf } from '../in-pieces.ts';
import type { Platform } from '../providers.ts';
import type { Log } from '../world.ts';
import { eventOfNotice, type PlatformEvent } from './event-of-notice.ts';

export interface PlatformWorld {
  db: Db;
  settings: BillingSettings;
  webhookUrl: string;
  /** PLATFORM_WEBHOOK_SECRET: `whsec_` and base64, or any other string, used literally. */
  secret: string;
  log: Log;
}

const TIMEOUT_MS = 10_000;
/** A successful order is remembered so long, which exceeds the time that a workflow takes to record the confirmation. */
const REMEMBERED_MS = 60_000;

export function createPlatformEvents(world: PlatformWorld): Platform {
  const { db, settings, log } = world;
  const post = createSender(world);
  const order = createOrders((ended) => post(`instance.terminate/${ended.instanceId}`, terminationOf(ended)));

  const deliverEvent: Platform['deliverEvent'] = async ({ noticeId }) => {
    const notice = await findNotice(db, noticeId);
    if (notice === null) throw final('platform', `no such notice: ${noticeId}`);
    await post(noticeId, await eventOfNotice(db, settings, notice));
  };

  return {
    deliverEvent,

    terminateMachine: async ({ instanceId }) => {
      const [ended] = await endedInstances(db, [instanceId]);
      if (!ended) throw final('platform', `instance ${instanceId} has not ended`);
      await order(ended);
    },

    terminateMachines: async ({ instanceIds, nowSecond }) => {
      const ended = await endedInstances(db, await unconfirmedOf(db, instanceIds));
      const confirmed = await doneOf(ended, order);
      if (confirmed.length < ended.length)
        log.warn(
          { orders: ended.length, confirmed: confirmed.length },
          'machines are not confirmed as stopped: the workflow of each instance orders its machine again',
        );
      await confirmTerminated(
        db,
        confirmed.map(({ instanceId }) => instanceId),
        nowSecond,
      );
    },

    sendEvent: async ({ noticeId, nowSecond }) => {
      if ((await findNotice(db, noticeId)) === null) throw final('platform', `no such notice: ${noticeId}`);
      if (!(await claimNotice(db, noticeId, nowSecond))) return;
      await deliverEvent({ noticeId, nowSecond });
      await markSent(db, noticeId, nowSecond);
    },
  };
}

const terminationOf = (ended: EndedInstance): PlatformEvent => {
  const { instanceId, teamId: team, reason, startSecond, endSecond, costMicros } = ended;
  return {
    type: 'instance.terminate',
    timestamp: formatSecond(endSecond),
    data: {
      id: instanceId,
      team,
      reason,
      startedAt: formatSecond(startSecond),
      endedAt: formatSecond(endSecond),
      seconds: endSecond - startSecond,
      cost: formatDollars(costMicros),
    },
  };
};

/**
 * Orders a machine to stop. A watch and the workflow of an instance may order the same machine at the same moment: the
 * earlier order of this process serves both.
 */
function createOrders(send: (ended: EndedInstance) => Promise<void>): (ended: EndedInstance) => Promise<void> {
  /** Orders by instance id, under way or successful within the last minute, oldest first. */
  const orders = new Map<string, { sent: Promise<void>; beganMs: number }>();
  return (ended) => {
    const { instanceId } = ended;
    const nowMs = performance.now();
    for (const [id, { beganMs }] of orders) {
      if (beganMs > nowMs - REMEMBERED_MS) break;
      orders.delete(id);
    }
    const earlier = orders.get(instanceId);
    if (earlier) return earlier.sent;
    const sending = send(ended);
    orders.set(instanceId, { sent: sending, beganMs: nowMs });
    sending.catch(() => orders.delete(instanceId));
    return sending;
  };
}

type Sender = (cause: string, event: PlatformEvent) => Promise<void>;

/**
 * Sends signed events. The sender resolves on a 2xx. The timestamp is the time of the sending, so a late retry is not
 * refused as a replay.
 */
function createSender({ webhookUrl, secret, log }: PlatformWorld): Sender {
  const webhook = signer(secret);
  return async (cause, event) => {
    const id = eventId(cause);
    const body = JSON.stringify(event);
    const sentAt = new Date();
    const headers = {
      'content-type': 'application/json',
      'webhook-id': id,
      'webhook-timestamp': String(Math.floor(sentAt.getTime() / 1000)),
      'webhook-signature': webhook.sign(id, sentAt, body),
    };
    const status = await statusOf(webhookUrl, { method: 'POST', headers, body });
    log.info({ id, cause, type: event.type, status }, 'the platform accepted an event');
    if (status < 200 || status > 299) throw passing('platform', `answered ${status} to ${event.type}`);
  };
}

/** A receiver's library reads the secret as base64. A secret without base64 is used literally. */
function signer(secret: string): Webhook {
  try {
    return new Webhook(secret);
  } catch {
    return new Webhook(secret, { format: 'raw' });
  }
}

/** Opaque, and without the full stop that separates the signed parts. */
const eventId = (cause: string): string => prefixedId('evt', digest128(cause));

/** A redirect is no 2xx, because following a redirect would send a GET. */
async function statusOf(url: string, request: RequestInit): Promise<number> {
  try {
    const response = await fetch(url, { ...request, redirect: 'manual', signal: AbortSignal.timeout(TIMEOUT_MS) });
    await response.body?.cancel();
    return response.status;
  } catch (error) {
    const { name, cause } = error as Error;
    throw passing('platform', (cause as NodeJS.ErrnoException | undefined)?.code ?? name);
  }
}
