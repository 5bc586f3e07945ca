/**
 * A team's balance: a single durable sleep until the second of the next look. The account's row stores the second
 * (prisma/look-marks.ts), and a fact that needs an earlier look wakes the watch.
 */
import { continueAsNew, setHandler, workflowInfo } from '@temporalio/workflow';
import type { Outlook } from '../ledger/team.ts';
import { Announcing } from './announcing.ts';
import { BillingState, dollars, showDetails, when } from './details.ts';
import { type TeamInput, type WatchState, wakeUp, wakeUpSoon, watchState } from './messages.ts';
import { ledger } from './neighbours.ts';
import { nowSecond, WakeSignal } from './waiting.ts';

type WatchBillingState = 'watching' | 'burning' | 'charge_in_flight' | 'idle';

export async function balanceWatch({ teamId, lookSoon, reclaiming }: TeamInput): Promise<void> {
  const wakeSignal = new WakeSignal();
  const state = new BillingState<WatchBillingState>('watching');
  const announcing = new Announcing(teamId, wakeSignal, reclaiming);
  let lastState: WatchState | null = null;
  setHandler(wakeUp, wakeSignal.arrived);
  setHandler(wakeUpSoon, wakeSignal.soon);
  if (lookSoon) wakeSignal.soon();
  setHandler(watchState, () => lastState);

  while (announcing.isEnding || !workflowInfo().continueAsNewSuggested) {
    wakeSignal.take();
    const asOfSecond = nowSecond();
    const outlook = await ledger.lookAhead({ teamId, nowSecond: asOfSecond });
    lastState = watchStateOf(teamId, outlook, asOfSecond);
    state.set(billingStateOf(outlook));
    show(outlook, asOfSecond);

    await announcing.announce(outlook);

    await wakeSignal.orSecond(outlook.next?.second ?? null, outlook.next?.what ?? 'idle');
  }
  await continueAsNew<typeof balanceWatch>({
    teamId,
    ...(wakeSignal.isPromised() && { lookSoon: true }),
    ...(announcing.reclaiming.length > 0 && { reclaiming: announcing.reclaiming }),
  });
}

function watchStateOf(teamId: string, outlook: Outlook, asOfSecond: number): WatchState {
  const { availableMicros, burnMicrosPerHour, topUp } = outlook;
  const next = crossingOf(outlook);
  return {
    teamId,
    asOfSecond,
    availableMicros,
    burnMicrosPerHour,
    topUp,
    nextSecond: next?.second ?? null,
    nextWhat: next?.what ?? null,
  };
}

/** The crossing to show to operators. Answers recorded by an earlier release always look at the crossing itself. */
const crossingOf = ({ next, crossing }: Outlook): Outlook['next'] => crossing ?? next;

function billingStateOf({ burnMicrosPerHour, next }: Outlook): WatchBillingState {
  if (next?.what === 'grace_over') return 'charge_in_flight';
  return burnMicrosPerHour > 0 ? 'burning' : 'idle';
}

function show(outlook: Outlook, asOfSecond: number): void {
  const { availableMicros, burnMicrosPerHour, topUp } = outlook;
  const next = crossingOf(outlook);
  showDetails({
    'as of': when(asOfSecond),
    balance: dollars(availableMicros),
    'burn per hour': dollars(burnMicrosPerHour),
    'next crossing': next ? `${next.what} at ${when(next.second)}` : 'none',
    'auto top-up': topUp,
  });
}
