/**
 * Accepted token usage, stored in the transaction of its effect. Usage comes by the thousand, so one statement writes a
 * whole batch: events, transfers and accounts.
 */
import type { Account } from '../billing/account.ts';
import type { Transfer } from '../billing/ledger.ts';
import type { NewUsage, RecordedUsage } from '../billing/usage-batch.ts';
import { columnOfAlerts } from './alerts.ts';
import { numberColumn, textColumn } from './arrays.ts';
import { type Db, inOneStatement, type Tx } from './client.ts';
import { toMicros, toSecondOrNull } from './columns.ts';
import type { LookMarks } from './look-marks.ts';
import { runPrepared } from './prepared.ts';

/** Events of one team posted together, and the account afterwards. */
export interface UsagePosting {
  teamId: string;
  causedBy: string;
  /** The version of the account at its read: see `readAccountsAsOf`. */
  version: string;
  account: Account;
  /** The marks of the team's watch after the usage. */
  marks: LookMarks;
  transfers: Transfer[];
  /** Released holds, each with the event that settles the hold. */
  settled: ReadonlyArray<{ holdId: string; settledBy: string }>;
  rows: NewUsage[];
}

/** The events recorded under these ids before. */
export async function knownUsageEvents(
  tx: Tx,
  batches: ReadonlyArray<{ teamId: string; eventIds: readonly string[] }>,
): Promise<Map<string, Map<string, RecordedUsage>>> {
  const keys = batches.flatMap(({ teamId, eventIds }) => eventIds.map((eventId) => ({ teamId, eventId })));
  const rows = await tx.$queryRaw<
    Array<{
      teamId: string;
      eventId: string;
      model: string;
      project: string | null;
      inputTokens: bigint;
      outputTokens: bigint;
      atSecond: bigint | null;
      holdId: string | null;
      chargeMicros: bigint;
    }>
  >`
    SELECT team_id AS "teamId", event_id AS "eventId", model, project, input_tokens AS "inputTokens",
      output_tokens AS "outputTokens", at_second AS "atSecond", hold_id AS "holdId", charge_micros AS "chargeMicros"
    FROM unnest(${textColumn(keys, (key) => key.teamId)}::text[], ${textColumn(keys, (key) => key.eventId)}::text[])
      AS asked (team_id, event_id) JOIN usage_events USING (team_id, event_id)`;
  const eventsByTeam = new Map(batches.map(({ teamId }) => [teamId, new Map<string, RecordedUsage>()]));
  for (const { teamId, eventId, model, project, holdId, ...row } of rows)
    eventsByTeam.get(teamId)?.set(eventId, {
      event: {
        model,
        project,
        holdId,
        inputTokens: Number(row.inputTokens),
        outputTokens: Number(row.outputTokens),
        atSecond: toSecondOrNull(row.atSecond),
      },
      chargeMicros: toMicros(row.chargeMicros),
    });
  return eventsByTeam;
}

/** Writes events of one team in the transaction of their effect. */
export async function insertUsageEvents(
  tx: Tx,
  teamId: string,
  second: number,
  rows: readonly NewUsage[],
): Promise<void> {
  await tx.$executeRaw`
    INSERT INTO usage_events (team_id, event_id, model, project, input_tokens, output_tokens, at_second, hold_id, cost,
      charge_micros, charged_with, second)
    SELECT ${teamId}, event_id, model, project, input, output, at, hold, cost, charge, ${rows[0]?.event.eventId ?? ''},
      ${second}::bigint
    FROM unnest(
      ${textColumn(rows, ({ event }) => event.eventId)}::text[], ${textColumn(rows, ({ event }) => event.model)}::text[],
      ${textColumn(rows, ({ event }) => event.project)}::text[],
      ${numberColumn(rows, ({ event }) => event.inputTokens)}::bigint[],
      ${numberColumn(rows, ({ event }) => event.outputTokens)}::bigint[],
      ${numberColumn(rows, ({ event }) => event.atSecond)}::bigint[],
      ${textColumn(rows, ({ event }) => event.holdId)}::text[], ${numberColumn(rows, (row) => row.cost)}::numeric[],
      ${numberColumn(rows, (row) => row.chargeMicros)}::bigint[]
    ) AS events (event_id, model, project, input, output, at, hold, cost, charge)`;
}

/**
 * Locks a team only if no other transaction has the lock and the account is unchanged since the computation. Nothing is
 * written for other teams: no team's usage waits for another team's transaction.
 */
const POST_USAGE = {
  name: 'post-usage',
  text: `
  WITH batches AS (
    SELECT * FROM unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::bigint[], $6::bigint[], $7::bigint[],
        $8::bigint[], $9::bigint[], $31::bigint[], $32::bigint[], $33::text[])
      WITH ORDINALITY AS batches (team_id, version, charged_with, caused_by, as_of, posted, held, owed, remainder, due,
        woken, alerts_after, n)
  ), locked AS (
    SELECT batches.*
    FROM accounts JOIN batches USING (team_id)
    WHERE accounts.xmin::text = batches.version ORDER BY team_id FOR UPDATE OF accounts SKIP LOCKED
  ), saved AS (
    UPDATE accounts
    SET as_of_second = as_of, posted_micros = posted, held_micros = held, owed_micros = owed,
      remainder_millionths = remainder, look_due_second = due, woken_second = woken, alerts = alerts_after::jsonb
    FROM locked WHERE accounts.team_id = locked.team_id
    RETURNING locked.team_id, charged_with, caused_by, as_of, n
  ), transferred AS (
    INSERT INTO transfers (id, team_id, caused_by, debit_account, credit_account, amount_micros, code, reference, second,
      model, project)
    SELECT uuidv7(), team_id, caused_by, debit, credit, amount, code, reference, as_of, model, project
    FROM unnest($10::bigint[], $11::text[], $12::text[], $13::bigint[], $14::text[], $15::text[], $29::text[], $30::text[])
      AS moved (n, debit, credit, amount, code, reference, model, project) JOIN saved USING (n)
  ), settled AS (
    UPDATE holds SET status = 'settled', closed_second = as_of, settled_by = event
    FROM unnest($16::bigint[], $17::text[], $18::text[]) AS settling (n, id, event) JOIN saved USING (n)
    WHERE holds.id = settling.id
  ), kept AS (
    INSERT INTO usage_events (team_id, event_id, model, project, input_tokens, output_tokens, at_second, hold_id, cost,
      charge_micros, charged_with, second)
    SELECT team_id, event_id, model, project, input, output, at, hold, cost, charge, charged_with, as_of
    FROM unnest($19::bigint[], $20::text[], $21::text[], $22::text[], $23::bigint[], $24::bigint[], $25::bigint[],
        $26::text[], $27::numeric[], $28::bigint[])
      AS events (n, event_id, model, project, input, output, at, hold, cost, charge) JOIN saved USING (n)
  )
  SELECT team_id FROM saved`,
};

/**
 * Posts usage of several teams in a single statement: everything of a team or, where another transaction has changed
 * its account since the read, nothing. Returns the posted teams.
 * @throws the unique violation when an event was recorded before: nothing is kept then, of no team
 */
export async function postUsage(db: Db, postings: readonly UsagePosting[]): Promise<string[]> {
  const numbered = postings.map((posting, index) => ({ posting, n: index + 1 }));
  const transfers = numbered.flatMap(({ posting, n }) => posting.transfers.map((transfer) => ({ transfer, n })));
  const settled = numbered.flatMap(({ posting, n }) => posting.settled.map((hold) => ({ hold, n })));
  const rows = postings.flatMap((posting) => posting.rows);
  const batchOfRow = postings.flatMap((posting, index) => posting.rows.map(() => index + 1));
  const values = [
    textColumn(postings, (posting) => posting.teamId),
    textColumn(postings, (posting) => posting.version),
    textColumn(postings, (posting) => posting.rows[0]?.event.eventId ?? ''),
    textColumn(postings, (posting) => posting.causedBy),
    numberColumn(postings, (posting) => posting.account.asOfSecond),
    numberColumn(postings, (posting) => posting.account.postedMicros),
    numberColumn(postings, (posting) => posting.account.heldMicros),
    numberColumn(postings, (posting) => posting.account.owedMicros),
    numberColumn(postings, (posting) => posting.account.remainderMillionths),
    numberColumn(transfers, ({ n }) => n),
    textColumn(transfers, ({ transfer }) => transfer.debitAccount),
    textColumn(transfers, ({ transfer }) => transfer.creditAccount),
    numberColumn(transfers, ({ transfer }) => transfer.amountMicros),
    textColumn(transfers, ({ transfer }) => transfer.code),
    textColumn(transfers, ({ transfer }) => transfer.reference),
    numberColumn(settled, ({ n }) => n),
    textColumn(settled, ({ hold }) => hold.holdId),
    textColumn(settled, ({ hold }) => hold.settledBy),
    numberColumn(batchOfRow, (n) => n),
    textColumn(rows, ({ event }) => event.eventId),
    textColumn(rows, ({ event }) => event.model),
    textColumn(rows, ({ event }) => event.project),
    numberColumn(rows, ({ event }) => event.inputTokens),
    numberColumn(rows, ({ event }) => event.outputTokens),
    numberColumn(rows, ({ event }) => event.atSecond),
    textColumn(rows, ({ event }) => event.holdId),
    numberColumn(rows, (row) => row.cost),
    numberColumn(rows, (row) => row.chargeMicros),
    textColumn(transfers, ({ transfer }) => transfer.model ?? null),
    textColumn(transfers, ({ transfer }) => transfer.project ?? null),
    numberColumn(postings, ({ marks }) => marks.dueSecond),
    numberColumn(postings, ({ marks }) => marks.wokenSecond),
    textColumn(postings, ({ account }) => columnOfAlerts(account.alerts)),
  ];
  const postedTeams = await inOneStatement(() => runPrepared<{ team_id: string }>(db, POST_USAGE, values));
  return postedTeams.map(({ team_id }) => team_id);
}
