/**
 * Compares the ledger with the providers, row by row, for one UTC day. Rows are matched by ids, whenever each side
 * wrote them. A difference is reported on the day on which the provider moved the money, so a charge of 23:59:59 with
 * its credit at 00:00:01 is no difference on either day. Only a row that the provider lacks is reported on the ledger's
 * day.
 */
import { DIFFERENCES, type DifferenceClass } from '../differences.ts';
import type { Day } from '../time.ts';
import { comparedDay, type Finding } from './day.ts';
import { compareDisputes } from './disputes.ts';
import { compareOutputs } from './outputs.ts';
import { comparePayments, matchPayments } from './payments.ts';
import { compareRefunds } from './refunds.ts';
import type { ComparedRow, Comparison, Difference, LedgerRows, ProviderRows } from './rows.ts';

/**
 * Compares the rows of the ledger and of the providers for a day. Both sides may include rows of other days, for
 * matching.
 */
export function compare(day: Day, ledger: LedgerRows, provider: ProviderRows, nowSecond: number): Comparison {
  const toCompare = comparedDay(day, ledger, provider, nowSecond);
  const payments = matchPayments(toCompare);
  return reportOf(day, [
    ...comparePayments(toCompare, payments),
    ...compareRefunds(toCompare, payments),
    ...compareDisputes(toCompare),
    ...compareOutputs(toCompare),
  ]);
}

function reportOf(day: Day, findings: Finding[]): Comparison {
  const rows = findings.flatMap((finding) => (finding.kind === 'compared' ? [finding.row] : []));
  rows.sort((a, b) => a.second - b.second);
  return {
    day: day.name,
    rows,
    differences: rows.flatMap((row) => row.differences.map((each) => differenceOf(day, each, row))),
    foreign: findings.flatMap((finding) => (finding.kind === 'foreign' ? [finding.row] : [])),
    underWay: findings.filter(({ kind }) => kind === 'under_way').length,
  };
}

function differenceOf(day: Day, difference: DifferenceClass, row: ComparedRow): Difference {
  const { depositId, teamId, providerId, ledgerMicros, providerMicros } = row;
  const { sentence, whatToDo } = DIFFERENCES[difference];
  return {
    class: difference,
    day: day.name,
    depositId,
    teamId,
    providerId,
    ledgerMicros,
    providerMicros,
    sentence,
    whatToDo,
  };
}
