/** The database of a test file with two processes at work on it, opened before the tests and closed after them. */
import { afterAll, beforeAll, expect } from 'vitest';
import { trialBalance } from '../../prisma/transfers.ts';
import { type Office, openOffice } from '../ledger/desk.ts';

/** Opens an office, and passes it to `begin` for the rest of the set-up. After the tests, the ledger must balance. */
export function useOffice(begin: (office: Office) => unknown): void {
  let office: Office | undefined;
  beforeAll(async () => {
    office = await openOffice();
    await begin(office);
  });
  afterAll(async () => {
    if (!office) return;
    try {
      expect(await trialBalance(office.one.db)).toMatchObject({ balanced: true, differences: [] });
    } finally {
      await office.close();
    }
  });
}
