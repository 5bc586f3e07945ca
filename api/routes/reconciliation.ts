/** The ledger against the providers, row by row, for operators. */
import { DIFFERENCES, type DifferenceClass } from '../../billing/differences.ts';
import { dayToCompare, isProvisional } from '../../billing/reconciliation/day.ts';
import { formatSecond } from '../../billing/time.ts';
import type { Reconciliation as Report } from '../../prisma/reconciliations.ts';
import { type Route, route } from '../http/route.ts';
import { Amount, amount, amountOrNull, Time, z } from '../http/schemas.ts';
import type { ApiWorld } from '../world.ts';

const Provider = z.enum(['stripe', 'copperx']);
const Class = z.enum(Object.keys(DIFFERENCES) as [DifferenceClass, ...DifferenceClass[]]);
const about = {
  depositId: z.string().nullable(),
  teamId: z.string().nullable(),
  providerId: z.string().nullable(),
  ledgerAmount: Amount.nullable(),
  providerAmount: Amount.nullable(),
};

const Day = z
  .string('must be a day in UTC such as "2026-03-01"')
  .openapi({ type: 'string', format: 'date', example: '2026-03-01' });

const Reconciliation = z
  .object({
    day: Day,
    madeAt: Time,
    provisional: z.boolean().openapi({
      description: 'true while the day is not over: rows may be added, and the report is not kept',
    }),
    compared: z.int(),
    underWay: z.int().openapi({ description: 'recent rows that the other side may still be writing' }),
    differences: z.array(
      z.object({ class: Class, day: Day, ...about, sentence: z.string(), whatToDo: z.string() }).openapi('Difference'),
    ),
    rows: z.array(
      z
        .object({
          kind: z.enum(['payment', 'refund', 'dispute', 'output', 'credit']),
          provider: Provider.nullable(),
          at: Time,
          ...about,
          differences: z.array(Class),
        })
        .openapi('ComparedRow'),
    ),
    foreign: z
      .array(
        z
          .object({
            kind: z.enum(['payment', 'refund', 'dispute', 'output']),
            provider: Provider,
            providerId: z.string(),
            at: Time,
            amount: Amount,
            currency: z.string(),
          })
          .openapi('ForeignRow'),
      )
      .openapi({ description: 'payments on the provider’s account that this service did not make' }),
  })
  .openapi('Reconciliation');

export const reconciliation = ({ reconciler }: ApiWorld): Route[] => [
  route({
    method: 'get',
    path: '/v1/reconciliation',
    tag: 'Operator',
    summary: 'Get the comparison of a day’s ledger with the payment providers, or compare a new day now',
    who: 'platform',
    query: z.object({ day: Day }),
    answer: { status: 200, schema: Reconciliation },
    fails: ['provider_unavailable'],
    handle: async ({ query: { day }, call: { receivedSecond: nowSecond } }) => {
      dayToCompare(day, nowSecond);
      return { status: 200, body: viewOf(await reconciler.reportOf({ day, nowSecond })) };
    },
  }),
];

type Row = Pick<Report['rows'][number], 'depositId' | 'teamId' | 'providerId' | 'ledgerMicros' | 'providerMicros'>;
const sides = ({ depositId, teamId, providerId, ledgerMicros, providerMicros }: Row) => ({
  depositId,
  teamId,
  providerId,
  ledgerAmount: amountOrNull(ledgerMicros),
  providerAmount: amountOrNull(providerMicros),
});

const viewOf = ({ day, madeSecond, underWay, rows, differences, foreign }: Report): z.input<typeof Reconciliation> => ({
  day,
  madeAt: formatSecond(madeSecond),
  provisional: isProvisional({ day, madeSecond }),
  compared: rows.length,
  underWay,
  differences: differences.map(({ class: differenceClass, day, sentence, whatToDo, ...row }) => ({
    class: differenceClass,
    day,
    ...sides(row),
    sentence,
    whatToDo,
  })),
  rows: rows.map(({ kind, provider, second, differences, ...row }) => ({
    kind,
    provider,
    at: formatSecond(second),
    ...sides(row),
    differences,
  })),
  foreign: foreign.map(({ second, amountMicros, ...row }) => ({
    ...row,
    at: formatSecond(second),
    amount: amount(amountMicros),
  })),
});
