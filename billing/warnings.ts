/**
 * Warnings ahead of time: the auto top-up of a team cannot carry the burn through a cooldown. Compared in whole
 * numbers, without a division. Source: docs/http.md#balance-and-quote.
 */
import type { BillingSettings } from './account.ts';
import { formatForPeople, MICROS_PER_CENT, type Micros, micros } from './money.ts';
import { TOP_UP_LIMITS, type TopUpPolicy } from './top-up.ts';

export type WarningCode =
  | 'threshold_too_low'
  | 'amount_too_small'
  | 'insufficient_credit'
  | 'budget_met'
  | 'burn_limit'
  | 'team_suspended'
  | 'team_archived';

export interface Warning {
  code: WarningCode;
  /** In plain words, with the amounts that would be enough. */
  message: string;
}

const SECONDS_PER_HOUR = 3600n;

/** True if an amount is less than a burn uses in a number of seconds. */
const isLessThanUsed = (amountMicros: Micros, burnMicrosPerHour: Micros, seconds: number): boolean =>
  BigInt(amountMicros) * SECONDS_PER_HOUR < BigInt(burnMicrosPerHour) * BigInt(seconds);

/** The amount that a burn uses in a number of seconds, rounded up to a cent, because people enter cents. */
function usedInCents(burnMicrosPerHour: Micros, seconds: number): Micros {
  const cent = BigInt(MICROS_PER_CENT);
  const perCent = SECONDS_PER_HOUR * cent;
  return micros(((BigInt(burnMicrosPerHour) * BigInt(seconds) + perCent - 1n) / perCent) * cent);
}

/**
 * The settings of a policy that cannot carry a burn: a threshold that is used up before the next charge can be
 * credited, or an amount that is used up before the next charge may be made. Empty for a policy that is off.
 */
export function topUpWarnings(
  policy: TopUpPolicy | null,
  burnMicrosPerHour: Micros,
  settings: BillingSettings,
): Warning[] {
  if (!policy?.enabled) return [];
  const { thresholdMicros, amountMicros } = policy;
  const { cooldownSeconds, chargeLatencySeconds } = settings;
  const burn = `At ${formatForPeople(burnMicrosPerHour)} an hour`;
  const warnings: Warning[] = [];

  const untilCredited = cooldownSeconds + chargeLatencySeconds;
  if (isLessThanUsed(thresholdMicros, burnMicrosPerHour, untilCredited)) {
    const needed = usedInCents(burnMicrosPerHour, untilCredited);
    const used = `${burn}, ${formatForPeople(needed)} is used in the ${untilCredited} s that can pass until the next charge is credited`;
    const remedy =
      needed > TOP_UP_LIMITS.thresholdMaxMicros
        ? `more than the highest threshold, ${formatForPeople(TOP_UP_LIMITS.thresholdMaxMicros)}: keep more credit, or run less`
        : `more than the threshold of ${formatForPeople(thresholdMicros)}: set it to ${formatForPeople(needed)} or more`;
    warnings.push({ code: 'threshold_too_low', message: `${used}, ${remedy}.` });
  }

  if (isLessThanUsed(amountMicros, burnMicrosPerHour, cooldownSeconds)) {
    const needed = usedInCents(burnMicrosPerHour, cooldownSeconds);
    const used = `${burn}, ${formatForPeople(needed)} is used in the ${cooldownSeconds} s from one charge to the next`;
    const remedy =
      needed > TOP_UP_LIMITS.amountMaxMicros
        ? `more than the highest amount, ${formatForPeople(TOP_UP_LIMITS.amountMaxMicros)}: keep more credit, or run less`
        : `more than the amount of ${formatForPeople(amountMicros)}: set it to ${formatForPeople(needed)} or more`;
    warnings.push({ code: 'amount_too_small', message: `${used}, ${remedy}.` });
  }
  return warnings;
}
