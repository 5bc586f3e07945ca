/** Lists of ledger rows, by filters that can be combined. */
import type { TransferCode } from '../billing/ledger.ts';
import type { Tx } from './client.ts';
import { fieldsOf } from './columns.ts';
import { Prisma, type Transfer as TransferRow } from './generated/client.ts';
import { type Page, type PageRequest, pageBySql } from './pages.ts';
import { type RecordedTransfer, toTransfer } from './transfers.ts';

/**
 * What the listed rows have in common. A row of token usage is listed if any of its events fits. An empty text means usage
 * without a value, such as usage without a project.
 */
export interface TransferFilter {
  fromSecond?: number | undefined;
  /** The first second after the range. */
  toSecond?: number | undefined;
  code?: string | undefined;
  deposit?: string | undefined;
  instance?: string | undefined;
  reservation?: string | undefined;
  project?: string | undefined;
  model?: string | undefined;
  gpuType?: string | undefined;
  region?: string | undefined;
  pricing?: string | undefined;
}

const TOKEN_CODES: readonly TransferCode[] = ['token_usage', 'owed_usage'];
const METER_CODES: readonly TransferCode[] = ['instance_usage', 'instance_correction', 'reservation_usage'];
const FIELDS = Prisma.raw(fieldsOf(Prisma.TransferScalarFieldEnum, 'transfers'));

const isOneOf = (codes: readonly string[]): Prisma.Sql => Prisma.sql`transfers.code = ANY(${codes})`;
const ofTokens = isOneOf(TOKEN_CODES);

/** The instance of a row fits. */
const ofInstance = (fits: Prisma.Sql): Prisma.Sql =>
  Prisma.sql`EXISTS (SELECT FROM instances WHERE instances.id = transfers.instance_id AND ${fits})`;

/** The reservation of a row fits. */
const ofReservation = (fits: Prisma.Sql): Prisma.Sql =>
  Prisma.sql`EXISTS (SELECT FROM reservations WHERE reservations.id = transfers.reservation_id AND ${fits})`;

/** An event of a row of token usage fits. The reference of the row is made from the first event of its batch. */
const ofEvent = (fits: Prisma.Sql): Prisma.Sql => Prisma.sql`(${ofTokens} AND EXISTS (
  SELECT FROM usage_events AS events
  WHERE events.team_id = transfers.team_id AND events.second = transfers.second
    AND events.charged_with = split_part(transfers.reference, '/', 3) AND ${fits}))`;

const anyOf = (...conditions: Prisma.Sql[]): Prisma.Sql => Prisma.sql`(${Prisma.join(conditions, ' OR ')})`;
const isAny = (column: 'instance_id' | 'reservation_id', value: string): Prisma.Sql => {
  const name = Prisma.raw(`transfers.${column}`);
  return value === ''
    ? Prisma.sql`(${name} IS NULL AND ${isOneOf([...TOKEN_CODES, ...METER_CODES])})`
    : Prisma.sql`${name} = ${value}`;
};

/** A column that instances and reservations have, and tokens have not. */
const ofMachine = (column: 'gpu_type' | 'region', value: string): Prisma.Sql => {
  const fits = Prisma.sql`${Prisma.raw(column)} = ${value}`;
  return value === '' ? ofTokens : anyOf(ofInstance(fits), ofReservation(fits));
};

/** The condition of each field of a filter. */
const CONDITIONS: { [Field in keyof TransferFilter]-?: (value: NonNullable<TransferFilter[Field]>) => Prisma.Sql } = {
  fromSecond: (second) => Prisma.sql`transfers.second >= ${second}`,
  toSecond: (second) => Prisma.sql`transfers.second < ${second}`,
  code: (code) => Prisma.sql`transfers.code = ${code}`,
  deposit: (depositId) => Prisma.sql`transfers.deposit_id = ${depositId}`,
  instance: (instanceId) => isAny('instance_id', instanceId),
  reservation: (reservationId) => isAny('reservation_id', reservationId),
  project: (project) =>
    project === ''
      ? anyOf(
          ofInstance(Prisma.sql`project IS NULL`),
          Prisma.sql`transfers.code = 'reservation_usage'`,
          ofEvent(Prisma.sql`project IS NULL`),
        )
      : anyOf(ofInstance(Prisma.sql`project = ${project}`), ofEvent(Prisma.sql`project = ${project}`)),
  model: (model) => (model === '' ? isOneOf(METER_CODES) : ofEvent(Prisma.sql`model = ${model}`)),
  gpuType: (gpuType) => ofMachine('gpu_type', gpuType),
  region: (region) => ofMachine('region', region),
  pricing: (pricing) => {
    if (pricing === '') return ofTokens;
    const instance = ofInstance(Prisma.sql`pricing = ${pricing}`);
    return pricing === 'reserved' ? anyOf(instance, Prisma.sql`transfers.code = 'reservation_usage'`) : instance;
  },
};

const conditionsOf = (filter: TransferFilter): Prisma.Sql[] =>
  (Object.keys(CONDITIONS) as Array<keyof TransferFilter>).flatMap((field) => {
    const value = filter[field];
    const condition = CONDITIONS[field] as (value: string | number) => Prisma.Sql;
    return value === undefined ? [] : [condition(value)];
  });

/**
 * A page of a team's ledger rows that fit, newest first.
 * @throws BillingError `invalid_request` for a cursor that no list answered
 */
export async function listTransfers(
  tx: Tx,
  teamId: string,
  request: PageRequest,
  filter: TransferFilter = {},
): Promise<Page<RecordedTransfer>> {
  const fitting = conditionsOf(filter);
  const { data, nextCursor } = await pageBySql(
    request,
    (after, take) => {
      const older = after && Prisma.sql`(transfers.second, transfers.id) < (${after.second}, ${after.id}::uuid)`;
      const where = [Prisma.sql`transfers.team_id = ${teamId}`, ...(older ? [older] : []), ...fitting];
      return tx.$queryRaw<TransferRow[]>`
        SELECT ${FIELDS} FROM transfers WHERE ${Prisma.join(where, ' AND ')}
        ORDER BY transfers.second DESC, transfers.id DESC LIMIT ${take}`;
    },
    'uuid',
  );
  return { data: data.map(toTransfer), nextCursor };
}
