/** The details of a workflow for operators: a small table on the workflow's page, kept current. */
import { setCurrentDetails, upsertSearchAttributes } from '@temporalio/workflow';
import { formatDollars, type Micros } from '../billing/money.ts';
import { formatSecond } from '../billing/time.ts';
import { BILLING_STATE } from './messages.ts';

export const dollars = (amountMicros: Micros): string => `$${formatDollars(amountMicros)}`;
export const when = (second: number | null): string => (second === null ? 'never' : formatSecond(second));

export function showDetails(rows: Record<string, string>): void {
  const lines = Object.entries(rows).map(([name, value]) => `| ${name} | ${value} |`);
  setCurrentDetails(['| | |', '|---|---|', ...lines].join('\n'));
}

/** Makes the state searchable. Each change costs an event, so an unchanged state is not written again. */
export class BillingState<S extends string> {
  private state: S;

  constructor(initial: S) {
    this.state = initial;
  }

  set(state: S): void {
    if (state === this.state) return;
    this.state = state;
    upsertSearchAttributes([{ key: BILLING_STATE, value: state }]);
  }
}
