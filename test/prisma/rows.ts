/** Plain SQL, as somebody would type it who goes past the product. */
import pg from 'pg';

export async function connect(url: string): Promise<pg.Client> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  return client;
}

/** The SQLSTATE and the constraint with which a statement was refused; null when it went through. */
export async function refusalOf(client: pg.Client, sql: string, values: unknown[] = []): Promise<string | null> {
  try {
    await client.query(sql, values);
    return null;
  } catch (error) {
    const { code, constraint, message } = error as pg.DatabaseError;
    return [code, constraint ?? message].join(' ');
  }
}
