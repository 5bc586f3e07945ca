/** The sums of running meters that the database keeps, held against the segments themselves. */
import type { Db } from '../../prisma/client.ts';
import type { MeterTotal } from '../../prisma/generated/client.ts';

/** From long before any start of a test to long after it. */
const AT = [0, 1_799_999_999, 1_800_003_601, 4_000_000_007];

/**
 * Throws where the sums of a team are not those of its running segments: their number, rates, starts and postings, and what
 * all of them leave when rate × seconds is divided by 3600.
 */
export async function checkMeterSums(db: Db, teamId: string): Promise<void> {
  const kept = await db.meterSum.findMany({ where: { teamId } });
  const expected = new Map<string, bigint[]>();
  for (const segment of await db.segment.findMany({ where: { teamId, endSecond: null } })) {
    const {
      rateMicrosPerHour: rate,
      startSecond,
      postedMicros,
      coveredBy,
      given,
      discountBasisPoints,
      listMicrosPerHour,
    } = segment;
    const kind = coveredBy !== null ? 'covered' : given ? 'given' : 'listed';
    const list = kind === 'listed' ? listMicrosPerHour : 0n;
    const key = [startSecond - (startSecond % 86_400n), kind, list, discountBasisPoints].join('/');
    const row = [
      1n,
      rate,
      rate * startSecond,
      postedMicros,
      ...AT.map((at) => modulo(rate * (BigInt(at) - startSecond))),
    ];
    addTo(expected, key, row);
  }
  const found = new Map<string, bigint[]>();
  for (const {
    daySecond,
    kind,
    listMicrosPerHour,
    discountBasisPoints,
    rateRemainder,
    startRemainder,
    count,
    ...sums
  } of kept) {
    if (count <= 0n) throw new Error(`${teamId} keeps sums of ${count} meters`);
    const remainders = AT.map((at) => count * modulo(BigInt(rateRemainder) * BigInt(at) - BigInt(startRemainder)));
    const totals = [sums.rateMicrosPerHour, sums.rateTimesStart, sums.postedMicros].map((sum) => BigInt(sum.toFixed()));
    addTo(found, [daySecond, kind, listMicrosPerHour, discountBasisPoints].join('/'), [
      count,
      ...totals,
      ...remainders,
    ]);
  }
  mustEqual(teamId, expected, found);
  await checkTotals(db, teamId);
}

/** The totals, the days and the counts by remainder, held against the segments. */
async function checkTotals(db: Db, teamId: string): Promise<void> {
  const expected = new Map<string, bigint[]>();
  for (const segment of await db.segment.findMany({ where: { teamId, endSecond: null } })) {
    const { rateMicrosPerHour: rate, startSecond: start, postedMicros, coveredBy, given } = segment;
    const kind = coveredBy !== null ? 'covered' : given ? 'given' : 'listed';
    const key = [kind, kind === 'listed' ? segment.listMicrosPerHour : 0n, segment.discountBasisPoints].join('/');
    const sums = [1n, rate, rate * start, modulo(-rate * start)];
    addTo(expected, `total/${key}`, [...sums, postedMicros]);
    addTo(expected, `day/${start - (start % 86_400n)}/${key}`, sums);
    addTo(expected, `remainder/${rate % 3600n}/${modulo(rate * start)}`, [1n]);
  }
  const found = new Map<string, bigint[]>();
  const where = { teamId };
  for (const row of await db.meterTotal.findMany({ where }))
    addTo(found, `total/${keyOf(row)}`, [...sumsOf(row), BigInt(row.postedMicros.toFixed())]);
  for (const row of await db.meterDay.findMany({ where }))
    addTo(found, `day/${row.daySecond}/${keyOf(row)}`, sumsOf(row));
  for (const { rateRemainder, startRemainder, count } of await db.meterRemainder.findMany({ where }))
    addTo(found, `remainder/${rateRemainder}/${startRemainder}`, [count]);
  mustEqual(teamId, expected, found);
}

const keyOf = (row: Pick<MeterTotal, 'kind' | 'listMicrosPerHour' | 'discountBasisPoints'>): string =>
  [row.kind, row.listMicrosPerHour, row.discountBasisPoints].join('/');

const sumsOf = (
  row: Pick<MeterTotal, 'count' | 'rateMicrosPerHour' | 'rateTimesStart' | 'hourRemainders'>,
): bigint[] => [
  row.count,
  BigInt(row.rateMicrosPerHour.toFixed()),
  BigInt(row.rateTimesStart.toFixed()),
  row.hourRemainders,
];

function mustEqual(teamId: string, expected: Map<string, bigint[]>, found: Map<string, bigint[]>): void {
  const [rows, kept] = [expected, found].map((sums) => [...sums].map(String).sort().join('\n'));
  if (rows !== kept) throw new Error(`the segments of ${teamId} sum to\n${rows}\nand what is kept is\n${kept}`);
}

/** As Postgres and JavaScript do not: never negative. */
const modulo = (value: bigint): bigint => ((value % 3600n) + 3600n) % 3600n;

function addTo(sums: Map<string, bigint[]>, key: string, row: bigint[]): void {
  const before = sums.get(key);
  sums.set(key, before ? before.map((sum, index) => sum + (row[index] ?? 0n)) : row);
}
