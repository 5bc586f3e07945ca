/**
 * How a team stands now: what is recorded, and what the clock has brought since, by the arithmetic that writes use and
 * without writing. Past its exhaustion second a team reads as ended there. Source: rules.md, "Facts and their seconds".
 */
import { type Account, moneySecond, spendableMicros, type Terms } from '../../billing/account.ts';
import type { EndReason } from '../../billing/change.ts';
import { advance } from '../../billing/facts.ts';
import { type Micros, ZERO } from '../../billing/money.ts';
import { availableMicros } from '../../billing/runway.ts';

export interface Standing {
  account: Account;
  nowSecond: number;
  /** Through which second money runs: now, or X while a charge in flight keeps an exhaustion open. */
  moneySecond: number;
  /** Instances that the clock has ended and no transaction has yet. */
  ended: ReadonlyMap<string, { endSecond: number; reason: EndReason }>;
}

export function standingOf(account: Account, terms: Terms, second: number): Standing {
  const outcome = advance(account, terms, second);
  const nowSecond = outcome.account.asOfSecond;
  const ended = new Map(
    outcome.effects.flatMap((effect) =>
      effect.kind === 'instance_ended'
        ? [[effect.instanceId, { endSecond: effect.endSecond, reason: effect.reason }] as const]
        : [],
    ),
  );
  return { account: outcome.account, nowSecond, moneySecond: moneySecond(outcome.account, nowSecond), ended };
}

/**
 * What the team can spend. While its money stands at X that is nothing: what is left there does not pay for one second
 * more. Credit that has arrived since is shown.
 */
export function shownAvailableMicros({ account, nowSecond }: Standing): Micros {
  const { standsAtSecond } = account;
  if (standsAtSecond !== null && availableMicros(account, standsAtSecond + 1) < 0) return ZERO;
  return spendableMicros(account, nowSecond);
}
