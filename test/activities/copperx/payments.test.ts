/** Tests crypto payments through CopperX’s API: pages, received coins, corrections, and hosts with less information. */
import { afterAll, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import { createCopperx } from '../../../activities/copperx/client.ts';
import { createCopperxPayments } from '../../../activities/copperx/payments.ts';
import type { Crypto, CryptoPage } from '../../../activities/providers.ts';
import { type CopperxStandIn, startCopperxStandIn } from '../../../embedded/copperx/index.ts';
import { createLedger } from '../../../ledger/index.ts';
import { getDeposit, updateDeposit } from '../../../prisma/deposits.ts';
import { SETTINGS } from '../../ledger/desk.ts';
import { onAttempt, untilAnswered } from '../../support/activity.ts';
import { newDatabase } from '../../support/database.ts';
import { NOW, newDeposit, newTeam, SILENT } from '../fixtures.ts';

const TIMEOUT_MS = 1_500;
const PATH = '/api/v1/checkout/sessions';

let database: Awaited<ReturnType<typeof newDatabase>>;
let standIn: CopperxStandIn;
let crypto: Crypto;
let depositId: string;
const log = { ...SILENT, error: vi.fn() };

beforeAll(async () => {
  [database, standIn] = await Promise.all([newDatabase(), startCopperxStandIn()]);
  const copperx = createCopperx({ apiKey: 'key', apiBase: standIn.url, timeoutMs: TIMEOUT_MS });
  crypto = createCopperxPayments({ copperx, db: database.db, publicUrl: 'https://pay.test', confirmations: 12, log });
});
afterAll(() => Promise.all([standIn?.close(), database?.close()]));
beforeEach(async () => {
  standIn.control.reset();
  standIn.control.clearRequests();
  log.error.mockClear();
  const { id: teamId } = await newTeam(database.db);
  depositId = await newDeposit(database.db, { teamId, kind: 'crypto' });
});

const sessions = () => standIn.control.sessions().filter((session) => session.clientReferenceId === depositId);
const fetched = (everyPage = false) => crypto.fetchCrypto({ depositId, everyPage });

/** A page that is kept, as the workflow does. */
async function openPage(): Promise<string> {
  const page = (await crypto.createCryptoPage({ depositId })) as Extract<CryptoPage, { sessionId: string }>;
  const { sessionId: copperxSessionId, checkoutUrl } = page;
  await updateDeposit(database.db, depositId, { copperxSessionId, checkoutUrl });
  return copperxSessionId;
}

describe('the page', () => {
  it('asks for the amount in USDC, and names the deposit but no person', async () => {
    expect(await crypto.createCryptoPage({ depositId })).toMatchObject({ maybeSeveral: false });
    expect(sessions()).toMatchObject([
      { amountTotal: '10000000000', currency: 'usdc', paymentSetting: { allowSwap: false }, metadata: null },
    ]);
    expect(JSON.stringify(standIn.control.requests())).not.toMatch(/Acme|acme\.test/);
  });

  it('that is stored is not created again', async () => {
    const sessionId = await openPage();
    expect(await crypto.createCryptoPage({ depositId })).toMatchObject({ sessionId });
    expect(sessions()).toHaveLength(1);
  });

  it.each(['error_after_effect', 'drop_after_effect', 'hang_after_effect'] as const)(
    'is created once when the answer is lost by %s',
    async (kind) => {
      standIn.control.faults.add({ on: `POST ${PATH}`, kind });
      const { answer } = await untilAnswered(() => crypto.createCryptoPage({ depositId }));
      expect(answer).toMatchObject({ sessionId: sessions()[0]?.id, maybeSeveral: true });
      expect(sessions()).toHaveLength(1);
    },
  );

  it.each(['error', 'drop', 'hang', 'rate_limit'] as const)('is created after %s', async (kind) => {
    standIn.control.faults.add({ on: `POST ${PATH}`, kind, times: 2 });
    const { failures } = await untilAnswered(() => crypto.createCryptoPage({ depositId }));
    expect(failures).toMatchObject([{ type: 'copperx_unavailable' }, { type: 'copperx_unavailable' }]);
    expect(sessions()).toHaveLength(1);
  });

  it('that CopperX refuses fails the deposit, and an error is logged for an operator', async () => {
    const refusing = { ...createCopperx({ apiKey: 'key', apiBase: standIn.url }) };
    const noUrl = createCopperxPayments({ copperx: refusing, db: database.db, publicUrl: '', confirmations: 1, log });
    refusing.createSession = (asked) =>
      createCopperx({ apiKey: 'key', apiBase: standIn.url }).createSession({ ...asked, unitAmount: '0' });
    expect(await noUrl.createCryptoPage({ depositId })).toEqual({ failureCode: 'provider_rejected' });
    expect(log.error).toHaveBeenCalledOnce();
    expect(sessions()).toHaveLength(0);
  });

  it('is retried while the key is wrong, because an operator can correct the key', async () => {
    const wrong = createCopperx({ apiKey: 'two words', apiBase: standIn.url });
    await expect(wrong.retrieveSession('x')).rejects.toMatchObject({
      type: 'copperx_unavailable',
      nonRetryable: false,
    });
    expect(await createCopperx({ apiKey: 'key', apiBase: standIn.url }).retrieveSession('x')).toBeNull();
    const elsewhere = createCopperx({ apiKey: 'key', apiBase: `${standIn.url}/elsewhere` });
    await expect(elsewhere.retrieveSession('x')).rejects.toMatchObject({
      type: 'copperx_unavailable',
      nonRetryable: false,
    });
  });
});

describe('received coins', () => {
  it('are confirmed after the required number of blocks', async () => {
    const id = await openPage();
    expect(await fetched()).toMatchObject({ confirmed: [], awaiting: 0, expired: false });
    const { transactionHash } = standIn.control.pay(id, { amount: '60', confirmations: 11 });
    expect(await fetched()).toMatchObject({ confirmed: [], awaiting: 1 });
    standIn.control.mine();
    expect(await fetched()).toMatchObject({
      confirmed: [{ transactionHash, output: 0, chain: '8453', currency: 'usdc', amountMicros: 60_000_000 }],
      awaiting: 0,
    });
  });

  it('are reported once if they are listed twice, and are not reported after they are in the ledger', async () => {
    const id = await openPage();
    const { transactionHash } = standIn.control.pay(id, { amount: '60', confirmations: 12 });
    standIn.control.repeat(id, transactionHash);
    standIn.control.pay(id, { amount: '1.00000099', transactionHash, output: 1, confirmations: 12 });
    const { confirmed } = await fetched();
    expect(confirmed.map(({ output, amountMicros }) => [output, amountMicros])).toEqual([
      [0, 60_000_000],
      [1, 1_000_000],
    ]);
    const ledger = createLedger({ db: database.db, settings: SETTINGS });
    await ledger.creditCrypto({ depositId, outputs: confirmed, nowSecond: NOW }, 'test');
    expect(await fetched(true)).toMatchObject({ confirmed: [], awaiting: 0 });
  });

  it('are followed through a correction, a removal from the chain and a return to the chain', async () => {
    const id = await openPage();
    const { transactionHash } = standIn.control.pay(id, { amount: '60', confirmations: 12 });
    const ledger = createLedger({ db: database.db, settings: SETTINGS });
    await ledger.creditCrypto({ depositId, outputs: (await fetched()).confirmed, nowSecond: NOW }, 'test');
    expect((await fetched()).changed).toBeUndefined();
    const followed = async (amountMicros: number) => {
      const { changed = [], confirmed } = await fetched();
      expect([changed, confirmed]).toEqual([[{ transactionHash, output: 0, amountMicros }], []]);
      await ledger.correctCrypto({ depositId, changed, nowSecond: NOW }, 'test');
      expect((await fetched()).changed).toBeUndefined();
      expect((await getDeposit(database.db, depositId)).receivedMicros).toBe(amountMicros);
    };
    standIn.control.correct(id, transactionHash, '59.25');
    await followed(59_250_000);
    standIn.control.reorganise(id, transactionHash);
    await followed(0);
    standIn.control.pay(id, { amount: '60', transactionHash, confirmations: 3 });
    expect((await fetched()).changed).toBeUndefined();
    standIn.control.mine(9);
    await followed(60_000_000);
  });

  it('stay credited when their page is gone or their transactions are unreadable', async () => {
    const id = await openPage();
    const { transactionHash } = standIn.control.pay(id, { amount: '60', confirmations: 12 });
    const ledger = createLedger({ db: database.db, settings: SETTINGS });
    await ledger.creditCrypto({ depositId, outputs: (await fetched()).confirmed, nowSecond: NOW }, 'test');
    standIn.control.reorganise(id, transactionHash);
    standIn.control.pay(id, { amount: '60', transactionHash, currency: 'eth', confirmations: 12 });
    expect((await fetched()).changed).toBeUndefined();
    standIn.control.forget(id);
    expect(await fetched()).toMatchObject({ missing: true, confirmed: [] });
    expect((await fetched()).changed).toBeUndefined();
  });

  it('are found on the page of an earlier try too', async () => {
    const kept = await openPage();
    // The creation of an earlier try that arrived after the one that was kept.
    const copperx = createCopperx({ apiKey: 'key', apiBase: standIn.url });
    const asked = { currency: 'usdc', unitAmount: '10000000000', successUrl: 'x', cancelUrl: 'x', productName: 'x' };
    const other = await copperx.createSession({ ...asked, clientReferenceId: depositId });
    await copperx.createSession({ ...asked, clientReferenceId: 'dep_of_somebody_else' });
    standIn.control.pay(other.id, { amount: '3', confirmations: 12 });
    expect((await fetched(false)).confirmed).toEqual([]);
    expect((await fetched(true)).confirmed).toMatchObject([{ amountMicros: 3_000_000 }]);
    standIn.control.expire(kept);
    expect((await fetched(true)).expired).toBe(false);
    standIn.control.expire(other.id);
    expect((await fetched(true)).expired).toBe(true);
  });

  it('in a coin other than a dollar coin are not credited, and an error is logged for an operator', async () => {
    const id = await openPage();
    standIn.control.pay(id, { amount: '1', currency: 'eth', confirmations: 12 });
    standIn.control.pay(id, { amount: '2', currency: 'USDT', confirmations: 12 });
    expect(await fetched()).toMatchObject({ confirmed: [{ amountMicros: 2_000_000, currency: 'usdt' }], awaiting: 0 });
    expect(log.error).toHaveBeenCalledOnce();
  });

  it('after the expiry are reported too', async () => {
    const id = await openPage();
    standIn.control.expire(id);
    expect(await fetched()).toMatchObject({ confirmed: [], expired: true });
    standIn.control.pay(id, { confirmations: 12 });
    expect(await fetched()).toMatchObject({ confirmed: [{ amountMicros: 100_000_000 }], expired: true });
  });

  it.each(['error', 'drop', 'hang', 'rate_limit'] as const)(
    'are reported after %s, without a guess in between',
    async (kind) => {
      const id = await openPage();
      standIn.control.pay(id, { confirmations: 12 });
      standIn.control.faults.add({ on: `GET ${PATH}/:id`, kind, times: 2 });
      const { answer, failures } = await untilAnswered(() => fetched());
      expect(failures).toHaveLength(2);
      expect(answer.confirmed).toHaveLength(1);
    },
  );
});

describe('a host with less information than the stand-in', () => {
  const session = (transactions: object[], more: object = {}) => ({
    id: 'session',
    createdAt: new Date().toISOString(),
    expiresAt: new Date(Date.now() + 1000).toISOString(),
    currency: 'usdc',
    status: 'complete',
    paymentStatus: 'paid',
    url: 'https://pay.test',
    paymentIntent: { amountReceived: '500000000', transactions },
    ...more,
  });
  const fetchedOf = async (answer: object) => {
    await updateDeposit(database.db, depositId, { copperxSessionId: `session_of_${depositId}`, checkoutUrl: 'x' });
    const copperx = { retrieveSession: async () => answer } as never;
    return onAttempt(1, () =>
      createCopperxPayments({ copperx, db: database.db, publicUrl: '', confirmations: 12, log }).fetchCrypto({
        depositId,
        everyPage: false,
      }),
    );
  };

  it('is answered as missing when CopperX has no page under the page id or our reference', async () => {
    const copperx = { retrieveSession: async () => null, sessionsOf: async () => [] } as never;
    await updateDeposit(database.db, depositId, { copperxSessionId: `gone_${depositId}`, checkoutUrl: 'x' });
    const world = { copperx, db: database.db, publicUrl: '', confirmations: 12, log };
    expect(await createCopperxPayments(world).fetchCrypto({ depositId, everyPage: false })).toMatchObject({
      confirmed: [],
      expired: true,
      missing: true,
    });
  });

  it('is found by our reference when the stored page is gone', async () => {
    const other = session([{ transactionHash: '0xother' }]);
    const copperx = { retrieveSession: async () => null, sessionsOf: async () => [other] } as never;
    await updateDeposit(database.db, depositId, { copperxSessionId: `gone_too_${depositId}`, checkoutUrl: 'x' });
    const world = { copperx, db: database.db, publicUrl: '', confirmations: 12, log };
    const seen = await createCopperxPayments(world).fetchCrypto({ depositId, everyPage: false });
    expect(seen).toMatchObject({ confirmed: [{ transactionHash: '0xother' }] });
    expect(seen).not.toHaveProperty('missing');
  });

  it('has the page’s total credited for the only transaction of a paid page', async () => {
    const { confirmed } = await fetchedOf(session([{ transactionHash: '0xa' }]));
    expect(confirmed).toMatchObject([{ output: 0, chain: 'unknown', amountMicros: 5_000_000 }]);
  });

  it('has nothing credited before its page is paid, or for two transactions without amounts', async () => {
    const open = session([{ transactionHash: '0xb' }], { status: 'open', paymentStatus: 'unpaid' });
    expect(await fetchedOf(open)).toMatchObject({ confirmed: [], awaiting: 1 });
    const two = session([{ transactionHash: '0xc' }, { transactionHash: '0xd' }]);
    expect(await fetchedOf(two)).toMatchObject({ confirmed: [], awaiting: 0 });
    expect(log.error).toHaveBeenCalledOnce();
  });
});
