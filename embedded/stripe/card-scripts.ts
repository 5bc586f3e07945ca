import { type Decline, declineFor } from './cards.ts';

/** Whose charges a script is about. All that are given must fit. */
export interface CardSelector {
  customer?: string;
  paymentMethod?: string;
  fingerprint?: string;
}

export interface DeclineScript extends CardSelector {
  /** This many charges succeed first; 0 declines from now on. */
  after?: number;
  /** Stripe's decline code, such as `insufficient_funds`; `generic_decline` unless told. */
  declineCode?: string;
}

interface Script {
  selector: CardSelector;
  remaining: number;
  decline: Decline | 'processing';
}

/** How cards behave on demand, over and above what their numbers say. */
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

  /** Takes back what was said of exactly this selector. */
  accept(selector: CardSelector): void {
    const key = keyOf(selector);
    this.#scripts = this.#scripts.filter((script) => keyOf(script.selector) !== key);
  }

  reset(): void {
    this.#scripts = [];
  }

  /** What happens to one charge. Asking counts it: a script that still lets charges pass lets one fewer pass next time. */
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
