/** Records grants of an operator, and their revocation. */
import { BillingError } from '../billing/errors.ts';
import { advance, grantCredit } from '../billing/facts.ts';
import { revokeGrant } from '../billing/grants.ts';
import type { Micros } from '../billing/money.ts';
import { checkNotArchived } from '../billing/team-state.ts';
import { type Db, isUniqueViolation } from '../prisma/client.ts';
import { findGrant, type Grant, grantById, grantInsert, grantRevocationInsert } from '../prisma/grants.ts';
import { isSameMetadata, type Metadata } from '../prisma/metadata.ts';
import { type FactRecordOf, recordFact } from '../prisma/record.ts';
import type { LedgerWorld } from './world.ts';

export interface NewGrant {
  teamId: string;
  grantId: string;
  amountMicros: Micros;
  note: string;
  metadata?: Metadata;
  nowSecond: number;
}

const idTaken = () => new BillingError('id_taken', 'another grant has this id', 'id');

const noGrant = () => new BillingError('not_found', 'no such grant', 'id');

async function getGrant(db: Db, id: string): Promise<Grant> {
  const grant = await findGrant(db, id);
  if (!grant) throw noGrant();
  return grant;
}

/** Returns the grant under this id if the grant is the same. */
function sameOrTaken(grant: Grant, { teamId, amountMicros, note, metadata = {} }: NewGrant): Grant {
  const isSame = grant.teamId === teamId && grant.amountMicros === amountMicros && grant.note === note;
  if (!isSame || !isSameMetadata(grant.metadata, metadata)) throw idTaken();
  return grant;
}

type GrantFact = FactRecordOf<Grant, Grant | null>;

export const grantActs = ({ db, settings }: LedgerWorld) => ({
  /**
   * Gives a team credit at the second of the call. The same id with the same request again is the same grant.
   * @throws BillingError `id_taken`, `team_archived`
   */
  grant: async (input: NewGrant, causedBy: string): Promise<Grant> => {
    const { teamId, grantId, amountMicros, note, metadata = {}, nowSecond } = input;
    const fact: GrantFact = async (account, _, { also: earlier }) => {
      if (earlier) {
        const same = sameOrTaken(earlier, input);
        return { outcome: advance(account, settings, nowSecond), answer: async () => same };
      }
      checkNotArchived(account);
      const outcome = grantCredit(account, settings, { grantId, amountMicros }, nowSecond);
      const second = outcome.account.asOfSecond;
      const newGrant: Grant = { id: grantId, teamId, amountMicros, note, metadata, second, revocation: null };
      return { outcome, inserts: [grantInsert(newGrant)], answer: async () => newGrant };
    };
    try {
      return await recordFact(db, { teamId, causedBy, throughSecond: nowSecond, also: grantById(grantId) }, fact);
    } catch (error) {
      // Another team has taken the id since. The row lock of the other team is not held here.
      throw isUniqueViolation(error) ? idTaken() : error;
    }
  },

  /**
   * Takes a grant back, once: from credit first, the rest becomes owed. Answers the grant.
   * @throws BillingError `not_found`, `team_archived`
   */
  revokeGrant: async (
    input: { grantId: string; note: string | null; nowSecond: number },
    causedBy: string,
  ): Promise<Grant> => {
    const { grantId, note, nowSecond } = input;
    const { teamId } = await getGrant(db, grantId);
    const fact: GrantFact = async (account, _, { also: grant }) => {
      if (!grant) throw noGrant();
      const { revocation, amountMicros } = grant;
      if (revocation) return { outcome: advance(account, settings, nowSecond), answer: async () => grant };
      const { creditMicros, ...outcome } = revokeGrant(account, settings, { grantId, amountMicros }, nowSecond);
      const revoked = { second: outcome.account.asOfSecond, note, creditMicros };
      const inserts = [grantRevocationInsert({ grantId, teamId, ...revoked })];
      return { outcome, inserts, answer: async () => ({ ...grant, revocation: revoked }) };
    };
    return recordFact(db, { teamId, causedBy, throughSecond: nowSecond, also: grantById(grantId) }, fact);
  },
});
