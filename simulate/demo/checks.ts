/**
 * The final checks of the demo, computed from outside observations: receipts, Stripe's charges, the inbox, the
 * platform.
 */
import pg from 'pg';
import type { Neighbours } from '../../embedded/neighbours.ts';
import type { Api } from './http.ts';
import { bold, green, red } from './timeline.ts';

export interface Check {
  what: string;
  expected: string;
  found: string;
}

interface InstanceSeen {
  id: string;
  seconds: number;
  cost: string;
  hourly: string;
  reason: string | null;
}

interface PaymentSeen {
  id: string;
  amount: string;
  method: string;
  label: string;
  status: string;
  received?: string;
}

const micros = (dollars: string): bigint => BigInt(dollars.replace('.', ''));
const dollars = (amount: bigint): string => `$${amount / 1_000_000n}.${String(amount % 1_000_000n).padStart(6, '0')}`;

export async function allChecks(api: Api, team: string, neighbours: Neighbours): Promise<Check[]> {
  const client = new pg.Client({ connectionString: neighbours.environment.DATABASE_URL });
  await client.connect();
  try {
    const { data: instances } = await api.get<{ data: InstanceSeen[] }>(`/v1/instances?team=${team}`);
    const bills: Check[] = [];
    for (const instance of instances.reverse()) bills.push(await bill(client, instance));
    return [
      ...bills,
      ...(await depositsAgainstStripe(api, team, neighbours)),
      ...(await ledgerChecks(client, team)),
      ...peopleAndPlatform(instances, await endsOfCredit(client), neighbours),
    ];
  } finally {
    await client.end();
  }
}

/** seconds × rate, in whole numbers and by hand, against the rows of the ledger. */
async function bill(client: pg.Client, { id, seconds, hourly }: InstanceSeen): Promise<Check> {
  const { rows } = await client.query<{ sum: string }>(
    `SELECT COALESCE(SUM(CASE WHEN credit_account = 'platform/revenue' THEN amount_micros ELSE -amount_micros END), 0) AS sum
     FROM transfers WHERE instance_id = $1`,
    [id],
  );
  return {
    what: `${id}: ${seconds} s × $${Number(hourly)}/h`,
    expected: dollars((micros(hourly) * BigInt(seconds)) / 3600n),
    found: dollars(BigInt(rows[0]?.sum ?? 0)),
  };
}

async function depositsAgainstStripe(api: Api, team: string, neighbours: Neighbours): Promise<Check[]> {
  const { data: history } = await api.get<{ data: PaymentSeen[] }>(`/v1/teams/${team}/deposits`);
  const data = history.filter(({ method, label }) => method === 'card' && label !== 'Refund');
  const charges = neighbours.stripe?.control.charges() ?? [];
  const rows = data.reverse().map((deposit): Check => {
    const of = charges.filter(({ metadata }) => metadata.deposit === deposit.id);
    return {
      what: `${deposit.label} of $${Number(deposit.amount)}: Stripe's charges for it`,
      expected: `1 ${deposit.status === 'refunded' ? 'succeeded' : deposit.status}, ${Number(deposit.amount) * 100} ¢`,
      found: of.map(({ status, amount }) => `1 ${status}, ${amount} ¢`).join(' and ') || 'none',
    };
  });
  return [
    ...rows,
    {
      what: 'deliveries of the webhook that came twice',
      expected: '2',
      found: String(webhookDeliveries(neighbours)),
    },
    { what: "Stripe's charges in all", expected: String(data.length), found: String(charges.length) },
    ...moneyBackAndCrypto(history, neighbours),
  ];
}

/** Compares refunds with Stripe's, and received crypto with the payments on CopperX's pages. */
function moneyBackAndCrypto(history: PaymentSeen[], { stripe, copperx }: Neighbours): Check[] {
  const cents = (amount: string) => Math.round(Number(amount) * 100);
  const refunded = history
    .filter(({ label }) => label === 'Refund')
    .map(({ amount, status }) => [-cents(amount), status]);
  const received = history.filter(({ method }) => method === 'crypto').map((deposit) => deposit.received ?? '0');
  const coins = copperx?.control.transactions().reduce((sum, { amount }) => sum + BigInt(amount), 0n) ?? 0n;
  return [
    {
      what: "refunds: Stripe's for them",
      expected: refunded.map(([amount, status]) => `1 ${status}, ${amount} ¢`).join(' and ') || 'none',
      found:
        stripe?.control
          .refunds()
          .map(({ amount, status }) => `1 ${status}, ${amount} ¢`)
          .join(' and ') || 'none',
    },
    {
      what: 'received in crypto: what came to the page',
      expected: dollars(coins / 100n),
      found: dollars(received.reduce((sum, amount) => sum + micros(amount), 0n)),
    },
  ];
}

/** The number of 200 answers to the deliveries of Stripe's first success, an event that the stand-in sends twice. */
export function webhookDeliveries({ stripe }: Neighbours): number {
  const deliveries =
    stripe?.control.webhooks.deliveries.filter(({ type }) => type === 'payment_intent.succeeded') ?? [];
  return deliveries.filter(({ event, status }) => event === deliveries[0]?.event && status === 200).length;
}

/** The numbers of unsent mails and events, and of ended machines whose stop the platform has not confirmed. */
export async function undelivered({ environment }: Neighbours): Promise<{ notices: number; machines: number }> {
  const client = new pg.Client({ connectionString: environment.DATABASE_URL });
  await client.connect();
  try {
    const { rows } = await client.query<{ notices: number; machines: number }>(
      `SELECT (SELECT count(*)::int FROM notices WHERE sent_second IS NULL) AS notices,
         (SELECT count(*)::int FROM instances WHERE end_second IS NOT NULL AND terminated_confirmed_second IS NULL) AS machines`,
    );
    return rows[0] ?? { notices: 0, machines: 0 };
  } finally {
    await client.end();
  }
}

async function ledgerChecks(client: pg.Client, team: string): Promise<Check[]> {
  const { rows: sums } = await client.query<{ sum: string }>(
    'SELECT COALESCE(SUM(balance_micros), 0) AS sum FROM balances',
  );
  const { rows: accounts } = await client.query<{ posted: string; summed: string }>(
    `SELECT posted_micros AS posted, balance_micros AS summed FROM accounts
     JOIN balances ON account = 'team/' || team_id || '/credit' WHERE team_id = $1`,
    [team],
  );
  const { rows: events } = await client.query<{ count: string }>(
    `SELECT COUNT(*) FROM (SELECT reference FROM transfers WHERE code IN ('deposit', 'auto_top_up') GROUP BY deposit_id, reference HAVING COUNT(*) > 1) AS twice`,
  );
  const posted = BigInt(accounts[0]?.posted ?? -1);
  return [
    { what: 'all accounts of the ledger sum to', expected: '0', found: sums[0]?.sum ?? '?' },
    {
      what: 'the stored balance is the sum of its rows',
      expected: dollars(BigInt(accounts[0]?.summed ?? -1)),
      found: dollars(posted),
    },
    {
      what: 'the balance never went below zero',
      expected: 'not negative',
      found: posted >= 0n ? 'not negative' : dollars(posted),
    },
    { what: 'deposits credited twice, though a webhook came twice', expected: '0', found: events[0]?.count ?? '?' },
  ];
}

/** The number of exhaustions: one, or more on a machine so slow that charges come too late. */
async function endsOfCredit(client: pg.Client): Promise<number> {
  const { rows } = await client.query<{ count: number }>('SELECT count(*)::int AS count FROM exhaustions');
  return rows[0]?.count ?? 0;
}

function peopleAndPlatform(instances: InstanceSeen[], ends: number, { inbox, platform }: Neighbours): Check[] {
  const subjects = (inbox?.messages() ?? []).map(({ subject }) => subject);
  const mails = (pattern: RegExp) => String(subjects.filter((subject) => pattern.test(subject)).length);
  const stopped = (platform?.events() ?? []).filter(({ type, verified }) => type === 'instance.terminate' && verified);
  const ids = new Set(stopped.map(({ data }) => String((data as { id?: string }).id)));
  return [
    { what: 'mails: auto top-up failed and is off', expected: '1', found: mails(/failed/i) },
    { what: 'mails: credit has run out', expected: String(ends), found: mails(/^Credit (used up|is running out):/) },
    { what: 'mails: auto top-up charged', expected: '2', found: mails(/top-up charged/i) },
    { what: 'mails: receipts for deposits', expected: '3', found: mails(/receipt/i) },
    { what: 'mails: refund', expected: '1', found: mails(/refund/i) },
    {
      what: 'machines that the platform was told to stop',
      expected: instances.map(({ id }) => id).join(', '),
      found:
        instances
          .map(({ id }) => id)
          .filter((id) => ids.has(id))
          .join(', ') || 'none',
    },
  ];
}

/** Prints the table. Returns whether every check passed. */
export function printTable(checks: Check[]): boolean {
  const width = Math.max(...checks.map(({ what }) => what.length));
  const wide = Math.max(...checks.map(({ expected }) => expected.length), 8);
  process.stdout.write(`\n${bold(`     ${'check'.padEnd(width)}  ${'expected'.padEnd(wide)}  found`)}\n`);
  for (const { what, expected, found } of checks) {
    const mark = expected === found ? green('  ✔') : red('  ✘');
    process.stdout.write(`${mark}  ${what.padEnd(width)}  ${expected.padEnd(wide)}  ${found}\n`);
  }
  const failed = checks.filter(({ expected, found }) => expected !== found).length;
  process.stdout.write(
    failed === 0
      ? `\n${green(`All ${checks.length} checks hold.`)}\n`
      : `\n${red(`${failed} of ${checks.length} checks fail.`)}\n`,
  );
  return failed === 0;
}
