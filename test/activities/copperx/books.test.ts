/** Tests the reconciliation of the ledger with CopperX. */
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { createCopperxBooks } from '../../../activities/copperx/books.ts';
import { type Copperx, createCopperx } from '../../../activities/copperx/client.ts';
import { createCopperxPayments } from '../../../activities/copperx/payments.ts';
import type { Crypto } from '../../../activities/providers.ts';
import { createReconciler, type Reconciler } from '../../../activities/reconciliation/reconcile.ts';
import { type CopperxStandIn, startCopperxStandIn } from '../../../embedded/copperx/index.ts';
import { createLedger, type Ledger } from '../../../ledger/index.ts';
import { getDeposit, updateDeposit } from '../../../prisma/deposits.ts';
import { SETTINGS } from '../../ledger/desk.ts';
import { untilAnswered } from '../../support/activity.ts';
import { newDatabase, type TestDatabase } from '../../support/database.ts';
import { dollars, NOW, newDeposit, newTeam, SILENT } from '../fixtures.ts';

const DAY = '2026-03-01';
const NOON = NOW + 43_200;
const DAY_SECONDS = 86_400;
const CONFIRMATIONS = 12;

let database: TestDatabase;
let standIn: CopperxStandIn;
let copperx: Copperx;
let crypto: Crypto;
let ledger: Ledger;
let reconciler: Reconciler;
/** CopperX's clock. */
let second: number;

beforeEach(async () => {
  second = NOON;
  [database, standIn] = await Promise.all([newDatabase(), startCopperxStandIn({ now: () => second * 1000 })]);
  const { db } = database;
  copperx = createCopperx({ apiKey: 'key', apiBase: standIn.url });
  crypto = createCopperxPayments({
    copperx,
    db,
    publicUrl: 'https://burnrate.test',
    confirmations: CONFIRMATIONS,
    log: SILENT,
  });
  ledger = createLedger({ db, settings: SETTINGS });
  reconciler = createReconciler({ db, books: [createCopperxBooks(copperx, CONFIRMATIONS)], log: SILENT });
});
afterEach(async () => {
  await standIn.close();
  await database.close();
});

/** A page for $60. Answers its deposit. */
async function opened(): Promise<string> {
  const { db } = database;
  const { id: teamId } = await newTeam(db);
  const depositId = await newDeposit(db, { teamId, kind: 'crypto', amountMicros: dollars(60) });
  const { answer } = await untilAnswered(() => crypto.createCryptoPage({ depositId }));
  if ('failureCode' in answer) throw new Error(answer.failureCode);
  await updateDeposit(db, depositId, { copperxSessionId: answer.sessionId, checkoutUrl: answer.checkoutUrl });
  return depositId;
}
const send = (depositId: string, amount: string, confirmations = CONFIRMATIONS) =>
  standIn.control.pay(depositId, { amount, confirmations });
async function credit(depositId: string): Promise<void> {
  const { confirmed } = await crypto.fetchCrypto({ depositId, everyPage: false });
  await ledger.creditCrypto({ depositId, outputs: confirmed, nowSecond: second }, 'test');
}
/** The next look of the deposit's workflow. */
async function look(depositId: string): Promise<void> {
  const { changed = [] } = await crypto.fetchCrypto({ depositId, everyPage: true });
  await ledger.correctCrypto({ depositId, changed, nowSecond: second }, 'test');
}
const compared = async (day = DAY) => {
  const { differences, rows } = await reconciler.reconcile({ day, nowSecond: NOW + 3 * DAY_SECONDS });
  return { differences: differences.map((each) => [each.class, each.depositId]), rows };
};

describe('CopperX’s books and the ledger', () => {
  it('agree if every output was credited, with a repeated output and an unconfirmed output', async () => {
    const depositId = await opened();
    const { transactionHash } = send(depositId, '25.5');
    send(depositId, '34.5');
    standIn.control.repeat(depositId, transactionHash);
    await credit(depositId);
    send(depositId, '1', 3);
    const { differences, rows } = await compared();
    expect(differences).toEqual([]);
    expect(rows.filter(({ kind }) => kind === 'output')).toHaveLength(2);
  });

  it('differ by an output that was never credited', async () => {
    const depositId = await opened();
    send(depositId, '60');
    await credit(depositId);
    send(depositId, '7');
    expect((await compared()).differences).toEqual([['output_not_credited', depositId]]);
  });

  it('differ by a credit without an output', async () => {
    const depositId = await opened();
    send(depositId, '60');
    await credit(depositId);
    const output = { transactionHash: '0xmade', output: 0, chain: '8453', currency: 'usdc', amountMicros: dollars(5) };
    await ledger.creditCrypto({ depositId, outputs: [output], nowSecond: second }, 'test');
    expect((await compared()).differences).toEqual([['credit_without_output', depositId]]);
  });

  it('agree after a new read if CopperX corrected an output or a transaction left the chain', async () => {
    const depositId = await opened();
    const { transactionHash: first } = send(depositId, '40');
    const { transactionHash: gone } = send(depositId, '20');
    await credit(depositId);
    standIn.control.correct(depositId, first, '41.5');
    standIn.control.reorganise(depositId, gone);
    expect((await compared()).differences.sort()).toEqual([
      ['credit_without_output', depositId],
      ['output_amount_differs', depositId],
    ]);
    await look(depositId);
    expect((await compared()).differences).toEqual([]);
    expect((await getDeposit(database.db, depositId)).receivedMicros).toBe(dollars(41.5));
  });

  it('agree on late coins, on the day of their arrival', async () => {
    const depositId = await opened();
    second += DAY_SECONDS;
    standIn.control.tick();
    send(depositId, '60');
    await credit(depositId);
    expect((await compared()).rows).toEqual([]);
    const { differences, rows } = await compared('2026-03-02');
    expect(differences).toEqual([]);
    expect(rows.some(({ kind }) => kind === 'output')).toBe(true);
  });

  it('have no report while CopperX does not answer', async () => {
    standIn.control.faults.beginOutage('error');
    await expect(reconciler.reportOf({ day: DAY, nowSecond: NOW + 3 * DAY_SECONDS })).rejects.toMatchObject({
      code: 'provider_unavailable',
    });
    expect(await database.db.reconciliation.count()).toBe(0);
  });
});
