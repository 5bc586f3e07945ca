import { type Decline, declineFor } from './cards.ts';

/** The charges that a script is about. All given fields must match. */
export interface CardSelector {
  customer?: string;
  paymentMethod?: string;
  fingerprint?: string;
}

export interface DeclineScript extends CardSelector {
  /** This number of charges succeeds first; 0 declines from now on. */
  after?: number;
  /** Stripe's decline code, such as `insufficient_funds`; `generic_decline` by default. */
  declineCode?: string;
}

interface Script {
  selector: CardSelector;
  remaining: number;
  decline: Decline | 'processing';
}

/** The behaviour of cards on demand, beyond the behaviour of their numbers. */
export class CardScripts {
  #scripts: Script[] = [];

  decline({ after = 0, declineCode = 'generic_decline', ...selector }: DeclineScript): void {
    this.accept(selector);
    this.#scripts.push({ selector, remaining: after, decline: declineFor(declineCode) });
  }

  /** Payments stay in `processing` until the control interface settles them. */
  leaveProcessing(selector: CardSelector): void {
    this.accept(selector);
    this.#scripts.push({ selector, remaining: 0, decline: 'processing' });
  }

  /** Removes the script of exactly this selector. */
  accept(selector: CardSelector): void {
    const key = keyOf(selector);
    this.#scripts = this.#scripts.filter((script) => keyOf(script.selector) !== key);
  }

  reset(): void {
    this.#scripts = [];
  }

  /** The outcome of a charge. Each call counts: a script with remaining successes lets fewer charges pass next time. */
  answerTo(charge: Required<CardSelector>): Decline | 'processing' | undefined {
    for (const script of this.#scripts) {
      if (!fits(script.selector, charge)) continue;
      if (script.remaining === 0) return script.decline;
      script.remaining -= 1;
    }
    return undefined;
  }
}

function fits(selector: CardSelector, charge: Required<CardSelector>): boolean {
  return (['customer', 'paymentMethod', 'fingerprint'] as const).every(
    (key) => selector[key] === undefined || selector[key] === charge[key],
  );
}

function keyOf({ customer = '', paymentMethod = '', fingerprint = '' }: CardSelector): string {
  return [customer, paymentMethod, fingerprint].join();
}
