/**
 * An audit of the books by someone who knows the rules and not the code: every bill is worked out again from the recorded
 * facts, read by plain SQL, and held against the ledger, Stripe, the platform, the mails and what callers were answered.
 * Imports nothing from billing/. Source: docs/rules.md#the-rules-of-the-bill.
 */
import { expect } from 'vitest';
import { auditUsage } from './books-of-usage.ts';
import { dollars, microsOf, sum } from './micros.ts';
import {
  type Answer,
  type Api,
  type Heard,
  isOutcomeUnknown,
  type ProductUnderTest,
  type Sql,
  secondsOf,
  type Team,
  until,
} from './support.ts';

interface InstanceRow {
  id: string;
  team_id: string;
  start_second: bigint;
  end_second: bigint | null;
  reason: string | null;
  exhaustion: bigint | null;
}
interface SegmentRow {
  instance_id: string;
  rate_micros_per_hour: bigint;
  start_second: bigint;
  end_second: bigint | null;
}
interface DepositRow {
  id: string;
  team_id: string;
  kind: string;
  amount_micros: bigint;
  status: string;
  opened_second: bigint;
  closed_second: bigint | null;
}
interface TransferRow {
  debit_account: string;
  credit_account: string;
  amount_micros: bigint;
  code: string;
  second: bigint;
  instance_id: string | null;
  deposit_id: string | null;
}
interface ExhaustionRow {
  number: bigint;
  second: bigint;
  instance_ids: string[];
  announced: boolean;
}

/** A piece of the team's line: so much an hour from one second to another. */
interface Piece {
  instance: string;
  rate: bigint;
  from: bigint;
  to: bigint;
}
interface Credit {
  micros: bigint;
  /** From when it counts, and when it was recorded: they differ for a charge in flight at the end of credit. */
  from: bigint;
  second: bigint;
}

/** floor(rate × seconds / 3600), a total and never a step. */
const cost = (rate: bigint, seconds: bigint): bigint => (seconds <= 0n ? 0n : (rate * seconds) / 3600n);
const costThrough = (pieces: Piece[], second: bigint): bigint =>
  sum(pieces.map(({ rate, from, to }) => cost(rate, (to < second ? to : second) - from)));

/** Ends whatever still runs, waits until nothing is under way any more, and audits the teams. */
export async function settleAndAudit(product: ProductUnderTest, teams: Team[], quietWithinMs = 90_000): Promise<void> {
  const running = await product.sql<{ id: string }>(
    'SELECT id FROM instances WHERE team_id = ANY($1) AND end_second IS NULL',
    [teams.map(({ id }) => id)],
  );
  for (const { id } of running)
    await until(`${id} is stopped`, async () => (await product.api.stop(id)).status === 200);
  await quiet(product, teams, quietWithinMs);
  await audit(product, teams);
}

/** Waits until every payment is known, every notice sent, every machine confirmed gone. */
async function quiet(
  { sql, engineSays, diedAlone, errorsLogged }: ProductUnderTest,
  teams: Team[],
  withinMs: number,
): Promise<void> {
  const ids = teams.map(({ id }) => id);
  let underWay: Array<{ what: string; workflow: string }> = [];
  const isQuiet = async () => {
    underWay = await sql(
      `SELECT 'deposit ' || id AS what, 'deposit/' || id AS workflow FROM deposits
         WHERE team_id = ANY($1) AND status IN ('pending', 'requires_action')
       UNION ALL SELECT 'attempt ' || attempt_deposit_id, 'auto-top-up/' || team_id FROM accounts
         WHERE team_id = ANY($1) AND attempt_deposit_id IS NOT NULL
       UNION ALL SELECT 'exhaustion ' || number, 'balance-watch/' || team_id FROM exhaustions
         WHERE team_id = ANY($1) AND NOT announced
       UNION ALL SELECT 'notice ' || id, 'notice/' || id FROM notices WHERE team_id = ANY($1) AND sent_second IS NULL
       UNION ALL SELECT 'machine of ' || id, 'instance/' || id FROM instances
         WHERE team_id = ANY($1) AND terminated_confirmed_second IS NULL`,
      [ids],
    );
    return underWay.length === 0;
  };
  await until('everything is known, told and sent', isQuiet, withinMs, 250).catch(async (error: Error) => {
    const stories = await Promise.all(
      underWay.map(async ({ what, workflow }) => `${what}: ${await engineSays(workflow)}`),
    );
    const troubles = [...stories, ...diedAlone, ...errorsLogged.slice(-20)];
    throw new Error(`${error.message}; still under way:\n${troubles.join('\n')}`);
  });
}

/** Holds all books of the teams against each other. Nothing of theirs may be under way. */
export async function audit(product: ProductUnderTest, teams: Team[]): Promise<void> {
  for (const team of teams) await auditTeam(product, team);
  await auditLedger(product.sql);
  await auditAnswers(product);
  expect(product.diedAlone).toEqual([]);
}

async function auditTeam(product: ProductUnderTest, team: Team): Promise<void> {
  const { sql, api } = product;
  const of = <Row>(table: string) => sql<Row>(`SELECT * FROM ${table} WHERE team_id = $1`, [team.id]);
  const [instances, segments, deposits, transfers, exhaustions, grants, accounts] = await Promise.all([
    of<InstanceRow>('instances'),
    of<SegmentRow>('segments'),
    of<DepositRow>('deposits'),
    of<TransferRow>('transfers'),
    of<ExhaustionRow>('exhaustions'),
    of<{ amount_micros: bigint; second: bigint }>('grants'),
    of<{ posted_micros: bigint; owed_micros: bigint }>('accounts'),
  ]);
  const { tokensMicros, heldMicrosAt } = await auditUsage(product, team);

  // Each instance: its segments tile its time, and its charges sum to the formula's.
  const pieces: Piece[] = [];
  for (const instance of instances) {
    const mine = segments
      .filter((segment) => segment.instance_id === instance.id)
      .sort((a, b) => Number(a.start_second - b.start_second));
    expect(instance.end_second, `${instance.id} has ended`).not.toBeNull();
    const seams = [instance.start_second, ...mine.map((segment) => segment.end_second)];
    expect([...mine.map((segment) => segment.start_second), instance.end_second], `${instance.id} is tiled`).toEqual(
      seams,
    );
    const ran = mine.map((segment) => ({
      instance: instance.id,
      rate: segment.rate_micros_per_hour,
      from: segment.start_second,
      to: segment.end_second ?? 0n,
    }));
    const bill = costThrough(ran, instance.end_second ?? 0n);
    const posted = transfers.filter((transfer) => transfer.instance_id === instance.id);
    const charged = sum(
      posted.map(({ code, amount_micros }) => (code === 'instance_correction' ? -amount_micros : amount_micros)),
    );
    expect(charged, `charges of ${instance.id}`).toBe(bill);
    const shown = await api.read(`/v1/instances/${instance.id}`);
    expect(shown, `${instance.id} as it is shown`).toMatchObject({
      status: 'terminated',
      reason: instance.reason,
      cost: dollars(bill),
      seconds: Number((instance.end_second ?? 0n) - instance.start_second),
    });
    expect(secondsOf(shown.endedAt)).toBe(Number(instance.end_second));
    auditReceipts(product, instance.id, shown);
    pieces.push(...ran);
  }

  // The team's credit is what came in less what was used.
  const paid = deposits.filter(({ status }) => status === 'succeeded');
  const used = costThrough(pieces, BigInt(Number.MAX_SAFE_INTEGER)) + tokensMicros;
  const given = sum(grants.map(({ amount_micros }) => amount_micros));
  const owed = accounts[0]?.owed_micros ?? 0n;
  const credit = sum(paid.map(({ amount_micros }) => amount_micros)) + given - used + owed;
  expect(accounts[0]?.posted_micros, `credit of ${team.id}`).toBe(credit);
  const shown = await api.read(`${team.path}/balance`);
  const held = heldMicrosAt(BigInt(secondsOf(shown.asOf)));
  expect(shown).toMatchObject({ posted: dollars(credit), held: dollars(held), owed: dollars(owed) });
  expect(shown.available, `available to ${team.id}`).toBe(dollars(credit - held));
  // Nothing is owed while there is something to pay it from.
  if (owed > 0n) expect(credit, `credit of ${team.id}, which owes`).toBe(held);
  expect(shown).toMatchObject({ activeInstances: 0, burnPerHour: '0.000000', thisMonth: dollars(used) });

  auditLine(team, pieces, [...creditsOf(paid, grants), ...debitsOf(transfers)], exhaustions);
  auditPostings(team, transfers);
  auditStripe(product, team, deposits);
  auditPlatform(product, team, instances, exhaustions);
  auditEvents(product, team, deposits, exhaustions);
  auditMails(product, team, deposits, exhaustions, await of<{ kind: string; channel: string }>('notices'));
}

/** Credit of an auto top-up counts from the attempt's own second, any other from that of its row. */
function creditsOf(paid: DepositRow[], grants: Array<{ amount_micros: bigint; second: bigint }>): Credit[] {
  return [
    ...paid.map(({ kind, amount_micros, opened_second, closed_second }) => ({
      micros: amount_micros,
      from: kind === 'auto_top_up' ? opened_second : (closed_second ?? 0n),
      second: closed_second ?? 0n,
    })),
    ...grants.map(({ amount_micros, second }) => ({ micros: amount_micros, from: second, second })),
  ];
}

/** What tokens took from credit, as credit of less than nothing: nobody knows of it before its second. */
const debitsOf = (transfers: TransferRow[]): Credit[] =>
  transfers
    .filter(({ code }) => code === 'token_usage' || code === 'owed_collected')
    .map(({ amount_micros, second }) => ({ micros: -amount_micros, from: second, second }));

/** Never below zero at any second, and whatever ended for want of credit ended at the last second that was paid in full. */
function auditLine(team: Team, pieces: Piece[], credits: Credit[], exhaustions: ExhaustionRow[]): void {
  const available = (second: bigint, counted: Credit[], line = pieces) =>
    sum(counted.map(({ micros }) => micros)) - costThrough(line, second);
  // The line only falls between credits, so its lowest points lie before them, at the ends, and after a debit.
  const debits = credits.filter(({ micros }) => micros < 0n);
  const lows = [
    ...credits.map(({ second }) => second),
    ...pieces.map(({ to }) => to),
    ...debits.map(({ second }) => second + 1n),
  ];
  for (const second of lows) {
    const counted = credits.filter(({ from, second: recorded }) => from < second || recorded < second);
    if (available(second, counted) < 0n)
      throw new Error(`${team.id} is below zero at ${second}: ${inWords({ pieces, credits, exhaustions })}`);
  }
  for (const { number, second } of exhaustions) {
    // A stop while a charge was waited for ends there too, so all that ended then is thought on by a second.
    const onwards = pieces.map((piece) => (piece.to === second ? { ...piece, to: second + 1n } : piece));
    const isLast = (counted: Credit[]) =>
      available(second, counted) >= 0n && available(second + 1n, counted, onwards) < 0n;
    // What the clock brings at a second comes before the facts of that second, but may be brought about by one of them. A
    // charge that was in flight and came in time counts from its own second; one that came too late does not.
    const before = credits.filter((credit) => credit.second < second);
    const within = credits.filter((credit) => credit.second === second);
    const inFlight = credits.filter((credit) => credit.from <= second && credit.second > second);
    const ways = [before, [...before, ...within], [...before, ...inFlight], [...before, ...within, ...inFlight]];
    if (ways.some(isLast)) continue;
    const facts = { second, pieces, credits, exhaustions };
    throw new Error(`end ${number} of ${team.id}'s credit lies at another second: ${inWords(facts)}`);
  }
}

const inWords = (facts: unknown): string =>
  JSON.stringify(facts, (_key, value) => (typeof value === 'bigint' ? Number(value) : value));

/** The posted credit, second by second, was never negative either. */
function auditPostings(team: Team, transfers: TransferRow[]): void {
  const account = `team/${team.id}/credit`;
  const moves = new Map<bigint, bigint>();
  for (const { debit_account, credit_account, amount_micros, second } of transfers) {
    const move = (credit_account === account ? amount_micros : 0n) - (debit_account === account ? amount_micros : 0n);
    moves.set(second, (moves.get(second) ?? 0n) + move);
  }
  let balance = 0n;
  for (const [second, move] of [...moves].sort(([a], [b]) => Number(a - b))) {
    balance += move;
    expect(balance >= 0n, `posted credit of ${team.id} at ${second}`).toBe(true);
  }
}

/** Deposits and Stripe's charges, one to one. */
function auditStripe({ stripe }: ProductUnderTest, team: Team, deposits: DepositRow[]): void {
  const row = (deposit: unknown, micros: bigint) => `${deposit}: ${micros}`;
  const charged = stripe
    .charges()
    .filter(({ metadata, status }) => metadata.team === team.id && status === 'succeeded')
    .map(({ metadata, amount_captured }) => row(metadata.deposit, BigInt(amount_captured) * 10_000n));
  const credited = deposits
    .filter(({ status }) => status === 'succeeded')
    .map(({ id, amount_micros }) => row(id, amount_micros));
  expect(credited.sort(), `deposits of ${team.id} are Stripe's charges`).toEqual(charged.sort());
}

/** Whatever ended for want of credit was announced, and its machine stopped under one id; nobody else's was. */
function auditPlatform(
  { platform, api }: ProductUnderTest,
  team: Team,
  instances: InstanceRow[],
  exhaustions: ExhaustionRow[],
): void {
  const orders = platform.events().filter(({ type, verified }) => type === 'instance.terminate' && verified);
  for (const { number, second, instance_ids, announced } of exhaustions) {
    expect(announced, `end ${number} of ${team.id}'s credit is announced`).toBe(true);
    const ended = instances.filter(({ exhaustion, reason }) => exhaustion === number && reason === 'out_of_credits');
    expect(ended.map(({ id }) => id).sort()).toEqual([...instance_ids].sort());
    for (const { id, end_second } of ended) expect(end_second, `end of ${id}`).toBe(second);
  }
  for (const { id, reason, exhaustion, end_second } of instances) {
    const stopOrders = orders.filter(({ data }) => data.id === id);
    const stoppedToo = api.heard.some(
      ({ path, answer }) => path === `/v1/instances/${id}/stop` && answer.status === 200,
    );
    if (reason === 'out_of_credits') {
      expect(exhaustion, `${id} names the end of credit`).not.toBeNull();
      if (!stoppedToo)
        expect(
          stopOrders.some(({ ok }) => ok),
          `the platform has stopped ${id}`,
        ).toBe(true);
      for (const { data } of stopOrders) expect(secondsOf(String(data.endedAt))).toBe(Number(end_second));
    } else expect(stopOrders, `${id} was ended by the platform itself`).toEqual([]);
    expect(new Set(stopOrders.map((order) => order.id)).size, `one id for the end of ${id}`).toBeLessThanOrEqual(1);
  }
}

/** The platform hears of each cause once, however often it is told: under one id. */
function auditEvents(
  { platform }: ProductUnderTest,
  team: Team,
  deposits: DepositRow[],
  exhaustions: ExhaustionRow[],
): void {
  const heard = platform.events().filter(({ verified, ok, data }) => verified && ok && data.team === team.id);
  const outcome = (auto: boolean, wanted: string) =>
    deposits.filter(({ kind, status }) => (kind === 'auto_top_up') === auto && status === wanted).length;
  const expected = {
    'deposit.succeeded': outcome(false, 'succeeded'),
    'top_up.succeeded': outcome(true, 'succeeded'),
    'top_up.failed': outcome(true, 'failed'),
    'balance.exhausted': exhaustions.length,
  };
  const received = Object.fromEntries(
    Object.keys(expected).map((type) => [
      type,
      new Set(heard.filter((event) => event.type === type).map(({ id }) => id)).size,
    ]),
  );
  expect(received, `events about ${team.id}`).toEqual(expected);
}

/** For each cause one message; it may have come again only under the Message-ID under which it came before. */
function auditMails(
  { inbox }: ProductUnderTest,
  team: Team,
  deposits: DepositRow[],
  exhaustions: ExhaustionRow[],
  notices: Array<{ kind: string; channel: string }>,
): void {
  const outcome = (auto: boolean, wanted: string) =>
    deposits.filter(({ kind, status }) => (kind === 'auto_top_up') === auto && status === wanted).length;
  const mailed = (kind: string) => notices.filter((notice) => notice.kind === kind && notice.channel === 'mail').length;
  const expected = {
    'Receipt for your deposit of': outcome(false, 'succeeded'),
    'Auto top-up charged': outcome(true, 'succeeded'),
    'Auto top-up failed and is now off': outcome(true, 'failed'),
    // The second subject is that of an end after which other instances run on.
    'Credit used up: your instances were stopped|Credit is running out': exhaustions.length,
    'Credit is below': mailed('balance_low'),
    'Your credit did not cover everything': mailed('usage_owed'),
  };
  const mails = inbox.messages().filter(({ to }) => to.includes(team.email));
  const idOf = (mail: (typeof mails)[number]) =>
    mail.headers.find(({ name }) => name.toLowerCase() === 'message-id')?.value ?? '';
  const received = Object.fromEntries(
    Object.keys(expected).map((subject) => [
      subject,
      new Set(mails.filter((mail) => subject.split('|').some((begin) => mail.subject.startsWith(begin))).map(idOf))
        .size,
    ]),
  );
  expect(received, `mails to ${team.id}`).toEqual(expected);
  expect(new Set(mails.map(idOf)).size).toBe(Object.values(expected).reduce((total, count) => total + count, 0));
}

/** Over all accounts the ledger sums to zero, and what the accounts keep is what it sums to. */
async function auditLedger(sql: Sql): Promise<void> {
  const [total] = await sql<{ micros: bigint }>(
    'SELECT COALESCE(SUM(balance_micros), 0)::bigint AS micros FROM balances',
  );
  expect(total?.micros).toBe(0n);
  const differing = await sql(
    `SELECT team_id FROM accounts WHERE posted_micros < 0 OR owed_micros < 0 OR posted_micros <> (
       SELECT COALESCE(SUM(CASE WHEN credit_account = 'team/' || accounts.team_id || '/credit' THEN amount_micros
         WHEN debit_account = 'team/' || accounts.team_id || '/credit' THEN -amount_micros ELSE 0 END), 0)
       FROM transfers WHERE transfers.team_id = accounts.team_id)
     OR owed_micros <> (
       SELECT COALESCE(SUM(CASE WHEN debit_account = 'team/' || accounts.team_id || '/owed' THEN amount_micros
         WHEN credit_account = 'team/' || accounts.team_id || '/owed' THEN -amount_micros ELSE 0 END), 0)
       FROM transfers WHERE transfers.team_id = accounts.team_id)
     OR held_micros <> (
       SELECT COALESCE(SUM(amount_micros), 0) FROM holds WHERE holds.team_id = accounts.team_id AND status = 'pending')`,
  );
  expect(differing, 'accounts that differ from their transfers and holds').toEqual([]);
}

/** A caller who was refused has nothing to pay, one who was admitted has an instance, and nobody met a fault of ours. */
async function auditAnswers({ api, sql, errorsLogged }: ProductUnderTest): Promise<void> {
  const faults = api.heard.filter(({ answer }) => answer.status === 500);
  const loggedFor = (requestId: string) => errorsLogged.filter((line) => line.includes(requestId));
  expect(
    faults.map(({ method, path, answer }) => ({
      call: `${method} ${path}`,
      log: loggedFor(answer.body.error.requestId),
    })),
    'faults of our own',
  ).toEqual([]);
  const exists = new Set((await sql<{ id: string }>('SELECT id FROM instances')).map(({ id }) => id));
  const paid = new Set(
    (
      await sql<{ what: string }>(
        `SELECT team_id || ' ' || amount_micros AS what FROM deposits WHERE status <> 'failed'`,
      )
    ).map(({ what }) => what),
  );
  for (const [id, statuses] of answersTo(api, '/v1/instances', ({ sent }) => sent.id))
    expect(exists.has(id), `${id}, whose start was answered ${statuses.join(', ')}, exists`).toBe(
      statuses.includes(201),
    );
  const payments = answersTo(api, '/deposits', ({ path, sent }) => `${path.split('/')[3]} ${microsOf(sent.amount)}`);
  for (const [what, statuses] of payments)
    if (isRefused(statuses))
      expect(paid.has(what), `the deposit ${what}, answered ${statuses.join(', ')}, was made`).toBe(false);
    else if (statuses.includes(201)) expect(paid.has(what), `the deposit ${what}, answered 201, was made`).toBe(true);
  const unresolved = ['/v1/instances', '/deposits'].flatMap((path) => {
    const last = new Map<unknown, Answer>();
    for (const { method, path: asked, sent, answer } of api.heard)
      if (method === 'POST' && asked.endsWith(path)) last.set(sent.id ?? `${asked} ${sent.amount}`, answer);
    return [...last].filter(([, answer]) => isOutcomeUnknown(answer)).map(([what]) => what);
  });
  expect(unresolved, 'calls with an unknown outcome that were not repeated until they were answered').toEqual([]);
}

/** The connection broke, or the answer says that the outcome is not known. */
const UNKNOWN = -1;
const PENDING = 0;

/** Whether nothing was made: all that is known says so, and where something is not known, a later answer decides it. */
function isRefused(statuses: readonly number[]): boolean {
  const known = statuses.filter((status) => status !== UNKNOWN);
  const isDecided = known.length === statuses.length || known.includes(402);
  return isDecided && known.every((status) => status === 402 || status === 503);
}

/** The statuses that calls of one kind were answered with, by what the calls were about. */
function answersTo(api: Api, path: string, about: (heard: Heard) => string): Map<string, number[]> {
  const statusOf = ({ answer }: Heard) =>
    isOutcomeUnknown(answer) ? UNKNOWN : answer.body?.status === 'pending' ? PENDING : answer.status;
  const answers = new Map<string, number[]>();
  for (const heard of api.heard)
    if (heard.method === 'POST' && heard.path.endsWith(path))
      answers.set(about(heard), [...(answers.get(about(heard)) ?? []), statusOf(heard)]);
  return answers;
}

/** Every receipt that a stop was answered with is the one that is shown now. */
function auditReceipts({ api }: ProductUnderTest, id: string, shown: Record<string, unknown>): void {
  const { startedAt, endedAt, seconds, cost, reason } = shown;
  for (const { path, answer } of api.heard)
    if (path === `/v1/instances/${id}/stop` && answer.status === 200)
      expect(answer.body, `receipt of ${id}`).toEqual({ id, startedAt, endedAt, seconds, cost, reason });
}
