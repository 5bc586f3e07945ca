/** Tests that schema.prisma agrees with the migrations. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type pg from 'pg';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { newDatabase, type TestDatabase } from '../support/database.ts';
import { connect } from './rows.ts';

interface Field {
  name: string;
  column: string;
  type: string;
  nullable: boolean;
}
interface Model {
  name: string;
  table: string;
  fields: Field[];
  /** Columns that are unique together: keys and @unique. */
  unique: string[];
}

const TYPES: Record<string, string> = {
  String: 'text',
  BigInt: 'bigint',
  Int: 'integer',
  Boolean: 'boolean',
  Json: 'jsonb',
  Decimal: 'numeric',
  Bytes: 'bytea',
  'String[]': 'ARRAY',
};

/** The models as schema.prisma tells them; Prisma's own reader needs an engine that cannot be had everywhere. */
function modelsOf(schema: string): Model[] {
  return [...schema.matchAll(/^model (\w+) \{\n([\s\S]*?)^\}/gm)].map(([, name = '', body = '']) => {
    const lines = body.split('\n').filter((line) => /^ {2}\w/.test(line));
    const fields = lines.map((line): Field => {
      const [, field = '', type = '', list = '', optional = '', rest = ''] =
        /^ {2}(\w+)\s+(\w+)(\[\])?(\?)?\s*(.*)$/.exec(line) ?? [];
      return {
        name: field,
        column: /@map\("(\w+)"\)/.exec(rest)?.[1] ?? field,
        type: rest.includes('@db.Uuid') ? 'uuid' : (TYPES[type + (list ?? '')] ?? `unknown ${type}`),
        nullable: optional === '?',
      };
    });
    const columnOf = (field: string) => fields.find((other) => other.name === field)?.column ?? field;
    const keys = [...body.matchAll(/@@(?:id|unique)\(\[(.+?)\]/g)].map(([, list = '']) =>
      list.split(',').map((field) => columnOf(field.trim())),
    );
    const single = lines
      .filter((line) => /@id|@unique/.test(line))
      .map((line) => [columnOf(line.trim().split(/\s/)[0]!)]);
    const table = /@@map\("(\w+)"\)/.exec(body)?.[1] ?? name;
    return { name, table, fields, unique: [...keys, ...single].map((columns) => columns.sort().join()).sort() };
  });
}

const models = modelsOf(readFileSync(join(import.meta.dirname, '../../prisma/schema.prisma'), 'utf8'));
let database: TestDatabase;
let client: pg.Client;

beforeAll(async () => {
  database = await newDatabase();
  client = await connect(database.url);
});
afterAll(async () => {
  await client.end();
  await database.close();
});

describe('schema.prisma and the migrations', () => {
  it('have the same tables', async () => {
    const { rows } = await client.query<{ name: string }>(
      `SELECT table_name AS name FROM information_schema.tables WHERE table_schema = 'public' AND table_type = 'BASE TABLE'`,
    );
    const tables = rows.map(({ name }) => name).filter((name) => name !== '_prisma_migrations');
    expect(models.map(({ table }) => table).sort()).toEqual(tables.sort());
    expect(models.length).toBeGreaterThan(10);
  });

  it.each(models.map((model) => [model.name, model] as const))(
    'have the same columns, types and nullability for %s',
    async (_, { table, fields }) => {
      const { rows } = await client.query<{ column: string; type: string; nullable: boolean }>(
        `SELECT column_name AS "column", data_type AS type, is_nullable = 'YES' AS nullable
         FROM information_schema.columns WHERE table_schema = 'public' AND table_name = $1 ORDER BY column_name COLLATE "C"`,
        [table],
      );
      const expected = fields.map(({ column, type, nullable }) => ({ column, type, nullable }));
      expect(rows).toEqual(expected.sort((a, b) => (a.column < b.column ? -1 : 1)));
    },
  );

  it.each(models.map((model) => [model.name, model] as const))(
    'have the same unique columns of %s',
    async (_, { table, unique }) => {
      const { rows } = await client.query<{ columns: string }>(
        `SELECT (SELECT string_agg(attname, ',' ORDER BY attname COLLATE "C") FROM pg_attribute
                 WHERE attrelid = indrelid AND attnum = ANY (indkey)) AS columns
         FROM pg_index WHERE indrelid = $1::regclass AND indisunique AND indpred IS NULL`,
        [`public.${table}`],
      );
      expect(rows.map(({ columns }) => columns).sort()).toEqual(unique);
    },
  );
});

describe('every model', () => {
  const IDS: Record<string, string> = {
    teamId: 'team',
    instanceId: 'instance',
    depositId: 'deposit',
    reservationId: 'reservation',
    grantId: 'grant',
    hash: 'details',
    detailsHash: 'details',
    paperId: 'paper',
  };
  /** What a check of the table asks for. */
  const BY_THE_CHECKS: Record<string, Record<string, unknown>> = {
    Segment: { rateMicrosPerHour: 0n },
    Hold: { expiresSecond: 900_002n },
    Session: { role: 'viewer' },
    TokenQuarter: { quarterSecond: 1_800n },
    AccountHour: { hourSecond: 3_600n },
  };
  const sampleOf = (model: Model, field: Field): unknown => {
    if (field.type === 'uuid') return '00000000-0000-7000-8000-000000000001';
    if (field.type === 'text') return field.name === 'id' ? model.name.toLowerCase() : (IDS[field.name] ?? field.name);
    if (field.type === 'bigint') return 900_001n;
    if (field.type === 'integer') return 1;
    if (field.type === 'boolean') return true;
    if (field.type === 'ARRAY') return ['a', 'b'];
    if (field.type === 'bytea') return new Uint8Array([1, 2]);
    if (field.type === 'jsonb') return { a: 1 };
    return '1234567890123456789012345678901234567890';
  };

  const plain = (row: Record<string, unknown>) =>
    Object.fromEntries(
      Object.entries(row).map(([name, value]) => [
        name,
        value && typeof value === 'object' && 'toFixed' in value ? (value as { toFixed(): string }).toFixed() : value,
      ]),
    );

  it('can be written and read through the generated client, with a different value in each column', async () => {
    for (const model of models) {
      const sample = Object.fromEntries(model.fields.map((field) => [field.name, sampleOf(model, field)]));
      const data = { ...sample, ...BY_THE_CHECKS[model.name] };
      const property = model.name[0]!.toLowerCase() + model.name.slice(1);
      // biome-ignore lint/suspicious/noExplicitAny: each model has a type of its own, and all are met here
      const delegate = (database.owner as any)[property];
      await delegate.create({ data });
      // Some tables have rows to begin with.
      const rows: Array<Record<string, unknown>> = await delegate.findMany();
      expect(rows.map(plain), model.name).toContainEqual(data);
    }
  });
});
