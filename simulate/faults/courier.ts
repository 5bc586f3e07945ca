/** Delivers the providers' webhooks as a case requires: late, twice, in another order, or never. */
import type { WebhookFault } from './words.ts';

/** Who sends webhooks: a stand-in's control. */
interface Sender<E> {
  readonly webhooks: { divert(takes: (event: E) => boolean): void };
  resendEvent(id: string): Promise<void>;
}

/** Delivers one event. Resolves when the event was answered. */
type Bring = () => Promise<void>;

interface Round {
  fault: WebhookFault;
  /** Events that are still to be delivered. */
  held: Bring[];
  /** Delivered events, for repeats. */
  brought: Bring[];
  isPastStep: boolean;
}

export class Courier {
  readonly #rounds = new Map<string, Round>();

  /** From now on the events of a sender go through here. */
  serve<E extends { id: string }>(sender: Sender<E>, teamOf: (event: E) => string | undefined): void {
    sender.webhooks.divert((event) => this.#takes(teamOf(event), () => sender.resendEvent(event.id)));
  }

  /** From now on the team's webhooks come so. */
  begin(teamId: string, fault: WebhookFault): void {
    this.#rounds.set(teamId, { fault, held: [], brought: [], isPastStep: false });
  }

  /** The payment stands at the step of the case. Resolves when the deliveries of this step are done. */
  async atStep(teamId: string): Promise<void> {
    const round = this.#rounds.get(teamId);
    if (!round) return;
    round.isPastStep = true;
    if (round.fault === 'doubled') await inTurn(round.brought);
    else await bringHeld(round);
  }

  /** All is over. Resolves when the rest has come. */
  async atEnd(teamId: string): Promise<void> {
    const round = this.#rounds.get(teamId);
    if (round) await bringHeld(round);
  }

  #takes(teamId: string | undefined, bring: Bring): boolean {
    const round = this.#rounds.get(teamId ?? '');
    if (!round) return false;
    if (round.fault === 'lost') return true;
    if (round.fault === 'doubled') {
      round.brought.push(bring);
      // The sender delivers the event as usual, and this delivers the event once more: in parallel, as a provider may.
      if (round.isPastStep) void bring();
      return false;
    }
    round.held.push(bring);
    if (round.fault === 'reordered' && round.held.length === 2) void bringHeld(round);
    return true;
  }
}

function bringHeld(round: Round): Promise<void> {
  const events = round.held.splice(0);
  return inTurn(round.fault === 'reordered' ? events.reverse() : events);
}

/** One after the other, because parallel deliveries would arrive in any order. */
async function inTurn(events: readonly Bring[]): Promise<void> {
  for (const bring of [...events]) await bring();
}
