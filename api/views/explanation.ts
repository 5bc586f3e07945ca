/** Explains the amount of a ledger row: what ran, at which rate and why, and the formula with the numbers put in. */
import {
  type Explained,
  explainedCorrection,
  explainedCost,
  explainedPosting,
  explainedTokens,
  type Ran,
} from '../../billing/explanations.ts';
import { formatDollars, total } from '../../billing/money.ts';
import { priceInWords } from '../../billing/prices.ts';
import { formatSecond } from '../../billing/time.ts';
import { modelPriceIn, tokensCost } from '../../billing/tokens.ts';
import { type AuditedEvent, eventsOfTransfer, postingsBefore } from '../../prisma/audit.ts';
import type { Tx } from '../../prisma/client.ts';
import { modelPricesFor } from '../../prisma/prices.ts';
import { termsOf } from '../../prisma/reservations.ts';
import { segmentsOf } from '../../prisma/segments.ts';
import type { RecordedTransfer } from '../../prisma/transfers.ts';
import { Amount, amount, amountOrNull, Time, timeOrNull, z } from '../http/schemas.ts';

const ExplainedSegment = z
  .object({
    startedAt: Time,
    endedAt: Time.nullable(),
    hourly: Amount,
    why: z.string().openapi({ description: 'the reason for the rate', example: 'given by the platform' }),
    posts: z.boolean().openapi({ description: 'the row posts the cost of this segment' }),
  })
  .openapi('ExplainedSegment');

const ExplainedEvent = z
  .object({
    id: z.string(),
    model: z.string(),
    project: z.string().nullable(),
    inputTokens: z.int(),
    outputTokens: z.int(),
    at: Time.openapi({ description: 'the second whose price was charged' }),
    inputPrice: Amount.nullable().openapi({ description: 'dollars per million tokens' }),
    outputPrice: Amount.nullable().openapi({ description: 'dollars per million tokens' }),
    exactCost: z.string().openapi({ description: 'in millionths of a micro-dollar', example: '1625000000' }),
    cost: Amount.openapi({ description: 'the posted amount, with the team’s carried remainder' }),
  })
  .openapi('ExplainedEvent');

export const Explanation = z
  .object({
    text: z.string().openapi({ description: 'the reason for the amount, in words' }),
    formula: z
      .string()
      .nullable()
      .openapi({ description: 'in micro-dollars', example: 'floor(2490000 × 11 ÷ 3600) − 691 = 6917' }),
    postedAt: Time.nullable(),
    segments: z.array(ExplainedSegment),
    events: z.array(ExplainedEvent),
  })
  .openapi('Explanation');
export type ExplanationView = z.input<typeof Explanation>;

interface Part extends Omit<Ran, 'throughSecond'> {
  endSecond: number | null;
  why: string;
}

async function partsOf(
  tx: Tx,
  { instanceId, reservationId }: Pick<RecordedTransfer, 'instanceId' | 'reservationId'>,
): Promise<Part[]> {
  if (instanceId !== null)
    return (await segmentsOf(tx, [instanceId])).map(({ rateMicrosPerHour, startSecond, endSecond, priced }) => ({
      ...{ rateMicrosPerHour, startSecond, endSecond },
      why: priceInWords(priced),
    }));
  const terms = reservationId === null ? [] : await termsOf(tx, [reservationId]);
  return terms.map(({ rateMicrosPerHour, startSecond, closedSecond, count, term }) => ({
    ...{ rateMicrosPerHour, startSecond, endSecond: closedSecond },
    why: `reserved price of ${count} for ${term}`,
  }));
}

const viewParts = (parts: readonly Part[], posts: (part: Part) => boolean): ExplanationView['segments'] =>
  parts.map((part) => ({
    startedAt: formatSecond(part.startSecond),
    endedAt: timeOrNull(part.endSecond),
    hourly: amount(part.rateMicrosPerHour),
    why: part.why,
    posts: posts(part),
  }));

/** The second that a reference of a meter names: `instance/train-1/through/1795322532`. */
const secondIn = ({ reference }: Pick<RecordedTransfer, 'reference'>): number => Number(reference.split('/')[3]);

const sumOf = (rows: readonly RecordedTransfer[]): bigint => total(...rows.map(({ amountMicros }) => amountMicros));

/** A posting: the cost of the running segment through a second, less what was posted of the segment. */
async function explainPosting(tx: Tx, row: RecordedTransfer): Promise<ExplanationView> {
  const parts = await partsOf(tx, row);
  const throughSecond = secondIn(row);
  const posted = parts.findLast(({ startSecond }) => startSecond < throughSecond);
  const earlier = await postingsBefore(tx, row);
  const before = posted ? sumOf(earlier.filter((each) => secondIn(each) > posted.startSecond)) : 0n;
  const explained = posted && explainedPosting({ ...posted, throughSecond }, before);
  return viewOf(row, {
    text: posted
      ? `the cost of ${throughSecond - posted.startSecond} seconds at $${formatDollars(posted.rateMicrosPerHour)} an hour, through ${formatSecond(throughSecond)}, less $${formatDollars(before)} posted before`
      : `the cost through ${formatSecond(throughSecond)}`,
    explained,
    segments: viewParts(parts, (part) => part === posted),
  });
}

/** A correction: what was posted beyond the cost of all segments by the earlier end. */
async function explainCorrection(tx: Tx, row: RecordedTransfer): Promise<ExplanationView> {
  const parts = await partsOf(tx, row);
  const endSecond = secondIn(row);
  const ran = parts
    .filter(({ startSecond }) => startSecond < endSecond)
    .map((part) => ({ ...part, throughSecond: Math.min(part.endSecond ?? endSecond, endSecond) }));
  const explained = explainedCorrection(ran, sumOf(await postingsBefore(tx, row)));
  const text = `the instance ended at ${formatSecond(endSecond)}, earlier than it was posted: the rest is credit again`;
  return viewOf(row, { text, explained, segments: viewParts(parts, () => true) });
}

async function explainTokens(tx: Tx, row: RecordedTransfer): Promise<ExplanationView> {
  const events = await eventsOfTransfer(tx, row);
  const explained = explainedTokens(events.map(({ chargeMicros }) => chargeMicros));
  const isPart = explained.amountMicros !== BigInt(row.amountMicros);
  const owed = row.code === 'owed_usage' ? ', owed because no credit was left' : ', paid from credit';
  const rest = isPart ? `, as far as this row goes${owed}: $${formatDollars(row.amountMicros)}` : owed;
  const text = `the tokens of ${events.length} ${events.length === 1 ? 'event' : 'events'}${rest}`;
  return { ...viewOf(row, { text, explained, isPart }), events: await viewEvents(tx, events) };
}

async function viewEvents(tx: Tx, events: readonly AuditedEvent[]): Promise<ExplanationView['events']> {
  const secondOf = ({ event, second }: AuditedEvent) => event.atSecond ?? second;
  const models = [...new Set(events.map(({ event }) => event.model))];
  const prices = await modelPricesFor(tx, models, Math.min(...events.map(secondOf)));
  return events.map((each) => {
    const { event, eventId, cost, chargeMicros } = each;
    const { model, project, inputTokens, outputTokens } = event;
    const listed = modelPriceIn(prices, model, secondOf(each));
    // A price that was changed within the second of the event is not shown as the event's own.
    const price = listed && tokensCost(listed, inputTokens, outputTokens) === cost ? listed : null;
    return {
      ...{ id: eventId, model, project, inputTokens, outputTokens },
      at: formatSecond(secondOf(each)),
      inputPrice: amountOrNull(price?.inputMicrosPerMillion ?? null),
      outputPrice: amountOrNull(price?.outputMicrosPerMillion ?? null),
      exactCost: String(cost),
      cost: amount(chargeMicros),
    };
  });
}

/** The text names a formula that does not give the amount of the row. */
function viewOf(
  row: RecordedTransfer,
  of: { text: string; explained?: Explained | undefined; isPart?: boolean; segments?: ExplanationView['segments'] },
): ExplanationView {
  const { text, explained, isPart = false, segments = [] } = of;
  const agrees = explained === undefined || isPart || explained.amountMicros === BigInt(row.amountMicros);
  return {
    text: agrees ? text : `${text}; the formula does not give the amount of the row: report it`,
    formula: explained?.formula ?? null,
    postedAt: formatSecond(row.second),
    segments,
    events: [],
  };
}

/** The explanation of a ledger row. @param words the row in words, for rows without a formula */
export function explainTransfer(tx: Tx, row: RecordedTransfer, words: string): Promise<ExplanationView> {
  if (row.code === 'instance_usage' || row.code === 'reservation_usage') return explainPosting(tx, row);
  if (row.code === 'instance_correction') return explainCorrection(tx, row);
  if (row.code === 'token_usage' || row.code === 'owed_usage') return explainTokens(tx, row);
  return Promise.resolve(viewOf(row, { text: words }));
}

/** The explanation of an instance's cost through a second. */
export async function explainInstance(tx: Tx, instanceId: string, throughSecond: number): Promise<ExplanationView> {
  const parts = await partsOf(tx, { instanceId, reservationId: null });
  const ran = parts.map((part) => ({
    ...part,
    throughSecond: Math.min(part.endSecond ?? throughSecond, throughSecond),
  }));
  const { formula, amountMicros } = explainedCost(ran);
  const text = `the cost of its segments through ${formatSecond(throughSecond)}: $${formatDollars(amountMicros)}`;
  return { text, formula, postedAt: null, segments: viewParts(parts, () => true), events: [] };
}
