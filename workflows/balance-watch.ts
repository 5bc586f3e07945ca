/** One team's balance: a single durable sleep towards the second at which something happens to it, re-planned by each fact. */
import { continueAsNew, setHandler, workflowInfo } from '@temporalio/workflow';
import type { Outlook } from '../activities/ledger/team.ts';
import { dollars, Stated, showDetails, when } from './details.ts';
import { type TeamInput, told, toldSoon, type WatchState, watchState } from './messages.ts';
import { ledger, tell } from './neighbours.ts';
import { News, nowSecond } from './waiting.ts';

export async function balanceWatch({ teamId, lookSoon, ...earlier }: TeamInput): Promise<void> {
  const news = new News();
  const state = new Stated('watching');
  let seen: WatchState | null = null;
  let attemptTold: string | null = null;
  let reclaiming = earlier.reclaiming ?? [];
  setHandler(told, news.arrived);
  setHandler(toldSoon, news.soon);
  if (lookSoon) news.soon();
  setHandler(watchState, () => seen);

  while (!workflowInfo().continueAsNewSuggested) {
    news.take();
    const outlook = await ledger.lookAhead({ teamId, nowSecond: nowSecond() });
    seen = show(outlook);

    await announce(outlook);
    await tellReclaimed(outlook);
    if (outlook.attemptDepositId && outlook.attemptDepositId !== attemptTold) await tell.tellAutoTopUp({ teamId });
    attemptTold = outlook.attemptDepositId;

    await news.orSecond(outlook.next?.second ?? null, outlook.next?.what ?? 'idle');
  }
  await continueAsNew<typeof balanceWatch>({
    teamId,
    ...(news.isPromised() && { lookSoon: true }),
    ...(reclaiming.length > 0 && { reclaiming }),
  });

  /** Announces whatever was recorded and not told yet, whoever recorded it: the machines are stopped, people are written to. */
  async function announce({ exhaustions, stop, notices, reservationIds = [] }: Outlook): Promise<void> {
    if (exhaustions.length === 0 && notices.length === 0 && !stop) return;
    const instanceIds = [...exhaustions, ...(stop ? [stop] : [])].flatMap((ended) => ended.instanceIds);
    if (instanceIds.length > 0) await tell.tellInstances({ instanceIds });
    if (reservationIds.length > 0) await tell.tellReservations({ reservationIds });
    if (notices.length > 0) await tell.handOnNotices({ notices });
    const numbers = exhaustions.map((exhaustion) => exhaustion.number);
    const noticeIds = notices.map((notice) => notice.noticeId);
    await ledger.markTold({ teamId, exhaustions: numbers, noticeIds, ...(stop && { stops: [stop.id] }) });
    // Another batch may wait behind this one.
    if (stop) news.arrived();
  }

  /** An instance that was to be reclaimed and is gone by now ended without anybody having said so to its workflow. */
  async function tellReclaimed({ exhaustions, stop, reclaiming: still = [] }: Outlook): Promise<void> {
    const told = exhaustions.flatMap((exhaustion) => exhaustion.instanceIds);
    const known = new Set([...still, ...told, ...(stop?.instanceIds ?? [])]);
    const instanceIds = reclaiming.filter((instanceId) => !known.has(instanceId));
    reclaiming = still;
    if (instanceIds.length > 0) await tell.tellInstances({ instanceIds });
  }

  function show(outlook: Outlook): WatchState {
    const { availableMicros, burnMicrosPerHour, topUp, next } = outlook;
    state.say(next?.what === 'grace_over' ? 'charge_in_flight' : burnMicrosPerHour > 0 ? 'burning' : 'idle');
    showDetails({
      'as of': when(nowSecond()),
      balance: dollars(availableMicros),
      'burn per hour': dollars(burnMicrosPerHour),
      'next crossing': next ? `${next.what} at ${when(next.second)}` : 'none',
      'auto top-up': topUp,
    });
    return {
      teamId,
      availableMicros,
      burnMicrosPerHour,
      topUp,
      nextSecond: next?.second ?? null,
      nextWhat: next?.what ?? null,
    };
  }
}
