/** Compares the outputs of crypto transactions with the credit that each output gave. */
import type { DifferenceClass } from '../differences.ts';
import {
  type ComparedDay,
  compared,
  depositIdOf,
  type Finding,
  foreignRow,
  isInDay,
  isYoung,
  type Line,
  UNDER_WAY,
} from './day.ts';
import type { LedgerOutput, ProviderOutput } from './rows.ts';

export function compareOutputs(day: ComparedDay): Finding[] {
  const creditedById = new Map(day.ledger.outputs.map((output) => [output.outputId, output]));
  const ofProvider = day.provider.outputs.flatMap((output) => {
    const credited = creditedById.get(output.outputId) ?? null;
    const depositId = credited?.depositId ?? depositIdOf(day, output);
    if (depositId === null) return foreignRow(day, 'output', output.outputId, output);
    return isInDay(day, output.second) ? [compareOutput(day, depositId, credited, output)] : [];
  });
  const providerIds = new Set(day.provider.outputs.map(({ outputId }) => outputId));
  const unmatched = day.ledger.outputs.filter(
    ({ outputId, second }) => !providerIds.has(outputId) && isInDay(day, second),
  );
  return [...ofProvider, ...unmatched.map(compareOutputMissingAtProvider)];
}

function compareOutput(
  day: ComparedDay,
  depositId: string,
  credited: LedgerOutput | null,
  output: ProviderOutput,
): Finding {
  const line = outputLine(depositId, credited, output);
  if (credited) {
    const isEqual = credited.amountMicros === output.amountMicros;
    return isEqual ? compared(line) : compared(line, 'output_amount_differs');
  }
  if (isYoung(day, output.second)) return UNDER_WAY;
  const teamId = day.depositsById.get(depositId)?.teamId ?? null;
  return compared({ ...line, teamId }, 'output_not_credited');
}

function compareOutputMissingAtProvider(credited: LedgerOutput): Finding {
  const differences: DifferenceClass[] = credited.amountMicros === 0 ? [] : ['credit_without_output'];
  return compared(outputLine(credited.depositId, credited, null), ...differences);
}

function outputLine(depositId: string, credited: LedgerOutput | null, output: ProviderOutput | null): Line {
  return {
    kind: 'output',
    provider: output?.provider ?? 'copperx',
    second: output?.second ?? credited?.second ?? 0,
    depositId,
    teamId: credited?.teamId ?? null,
    providerId: output?.outputId ?? credited?.outputId ?? null,
    ledgerMicros: credited?.amountMicros ?? null,
    providerMicros: output?.amountMicros ?? null,
  };
}
