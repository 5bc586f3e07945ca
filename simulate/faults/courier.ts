/** Brings the provider's webhooks as a case wants them: a team is told of its payment late, twice, in another order, never. */
import type { Control } from '../../embedded/stripe/index.ts';
import type { WebhookFault } from './words.ts';

/** The fields of an event by which it can be told whose it is. */
interface Event {
  id: string;
  data: { object: unknown };
}
interface EventObject {
  id: string;
  object: string;
  customer?: string | null;
  metadata?: { team?: string } | null;
}

interface Round {
  fault: WebhookFault;
  /** Events that are still to come. */
  held: string[];
  /** Events that have come: for those that come again. */
  brought: string[];
  isPastStep: boolean;
}

export class Courier {
  readonly #control: Control;
  readonly #rounds = new Map<string, Round>();
  readonly #teamOfCustomer = new Map<string, string>();

  constructor(control: Control) {
    this.#control = control;
    control.webhooks.divert((event) => this.#takes(event));
  }

  /** From now on the team's webhooks come so. */
  begin(teamId: string, fault: WebhookFault): void {
    this.#rounds.set(teamId, { fault, held: [], brought: [], isPastStep: false });
  }

  /** The payment stands at the step of the case. Resolves when what is to come there has come. */
  async atStep(teamId: string): Promise<void> {
    const round = this.#rounds.get(teamId);
    if (!round) return;
    round.isPastStep = true;
    if (round.fault === 'doubled') await this.#bring(round.brought);
    else await this.#bringHeld(round);
  }

  /** All is over. Resolves when the rest has come. */
  async atEnd(teamId: string): Promise<void> {
    const round = this.#rounds.get(teamId);
    if (round) await this.#bringHeld(round);
  }

  #takes(event: Event): boolean {
    const round = this.#rounds.get(this.#teamOf(event) ?? '');
    if (!round) return false;
    if (round.fault === 'lost') return true;
    if (round.fault === 'doubled') {
      round.brought.push(event.id);
      // The sender brings it as ever, and this once more: side by side, as nothing forbids.
      if (round.isPastStep) void this.#bring([event.id]);
      return false;
    }
    round.held.push(event.id);
    if (round.fault === 'reordered' && round.held.length === 2) void this.#bringHeld(round);
    return true;
  }

  #bringHeld(round: Round): Promise<void> {
    const events = round.held.splice(0);
    return this.#bring(round.fault === 'reordered' ? events.reverse() : events);
  }

  /** One after the other: side by side, the order of arrival would be anybody's. */
  async #bring(events: readonly string[]): Promise<void> {
    for (const event of [...events]) await this.#control.resendEvent(event);
  }

  #teamOf({ data }: Event): string | undefined {
    const about = data.object as EventObject;
    if (about.object === 'customer' && about.metadata?.team) this.#teamOfCustomer.set(about.id, about.metadata.team);
    return about.metadata?.team ?? this.#teamOfCustomer.get(about.customer ?? about.id);
  }
}
