/**
 * The effects of a budget that is met, and of burn above its ceiling. Source: docs/rules.md#budgets.
 */
import type { Account } from './account.ts';
import { type Budget, burnLimitRefusal } from './alerts.ts';
import { budgetsOf, changeBudgets, metersInScope, spendMicros } from './budgets.ts';
import { type AccountChange, closeMeter, replaceMeters } from './change.ts';
import type { BillingError } from './errors.ts';
import type { Micros } from './money.ts';
import { rerate } from './rerating.ts';
import { burnMicrosPerHour } from './runway.ts';

/** Meets a budget at a second. A `stop` ends the running instances of its scope, covered instances too. */
export function meetBudget(change: AccountChange, index: number, second: number): void {
  const { account } = change;
  const budget = budgetsOf(account)[index];
  if (!budget) throw new Error(`no budget at ${index}`);
  const spentMicros = change.isForecast ? budget.amountMicros : spendMicros(account, budget, second);
  changeBudgets(account, (each) => (each === budget ? { ...budget, metSecond: second } : each));
  const instanceIds = budget.action === 'stop' ? endScope(change, budget, second) : [];
  change.effects.push({ kind: 'budget_met', budget, second, spentMicros, instanceIds });
}

function endScope(change: AccountChange, budget: Budget, second: number): string[] {
  const ending = metersInScope(change.account, budget);
  if (ending.length === 0) return [];
  for (const meter of ending) {
    closeMeter(change, meter, second);
    const { instanceId } = meter;
    change.effects.push({ kind: 'instance_ended', instanceId, endSecond: second, reason: 'budget' });
  }
  replaceMeters(change, ending);
  // A reservation of an ended instance may cover another instance from here on.
  rerate(change, second);
  return ending.map(({ instanceId }) => instanceId);
}

/** Notes that the burn has gone above the ceiling, once until the burn is at the ceiling or below again. */
export function noteBurn(change: AccountChange, second: number): void {
  const { account } = change;
  const { alerts } = account;
  if (!alerts || alerts.burnLimitMicros === null) return;
  const { burnLimitMicros: limitMicros, isBurnAbove } = alerts;
  const burnMicros = burnMicrosPerHour(account);
  const isAbove = burnMicros > limitMicros;
  if (isAbove === isBurnAbove) return;
  account.alerts = { ...alerts, isBurnAbove: isAbove };
  if (isAbove) change.effects.push({ kind: 'burn_above', second, burnMicros, limitMicros });
}

/**
 * The refusal of starts or a reservation whose meters are open by now, if the burn is above the ceiling; otherwise null.
 * @param presentMicros the burn before
 */
export function burnRefusal(account: Account, presentMicros: Micros): BillingError | null {
  const limitMicros = account.alerts?.burnLimitMicros ?? null;
  if (limitMicros === null) return null;
  const afterMicros = burnMicrosPerHour(account);
  return afterMicros > limitMicros ? burnLimitRefusal(limitMicros, presentMicros, afterMicros) : null;
}

/** @throws BillingError `burn_limit` */
export function checkBurnLimit({ account }: AccountChange, presentMicros: Micros): void {
  const refusal = burnRefusal(account, presentMicros);
  if (refusal) throw refusal;
}
