/**
 * Crypto payments through CopperX. The fetched session is recorded; a webhook only causes the fetch. A session has no
 * idempotency key, so a retry looks for the page of an earlier try by our reference, and every page of the deposit is
 * read.
 */
import { ApplicationFailure } from '@temporalio/activity';
import {
  type CryptoChange,
  type CryptoOutput,
  coinUnitsToMicrosFloor,
  isDollarCoin,
  microsToCoinUnits,
  newOutputs,
  outputKey,
} from '../../billing/crypto.ts';
import { ZERO } from '../../billing/money.ts';
import { SECONDS_PER_DAY, secondOf } from '../../billing/time.ts';
import type { Db } from '../../prisma/client.ts';
import { type CreditedOutput, creditedByOutput } from '../../prisma/corrections.ts';
import { creditedOutputs } from '../../prisma/crypto-receipts.ts';
import { type Deposit, getDeposit } from '../../prisma/deposits.ts';
import { activityAttempt } from '../attempt.ts';
import { depositReturn } from '../links.ts';
import { DEFAULT_BRAND } from '../mail/brand.ts';
import type { Crypto, CryptoPage, CryptoSeen } from '../providers.ts';
import type { Log } from '../world.ts';
import type { Copperx, CopperxSession, CopperxTransaction } from './client.ts';

export interface CopperxWorld {
  copperx: Copperx;
  db: Db;
  /** The address to which people return, without a slash at the end. */
  publicUrl: string;
  /** The seller's name on the payment page. */
  brandName?: string;
  /** The number of blocks after which a payment counts. */
  confirmations: number;
  log: Log;
}

/** The requested coin. USDT that arrives counts as dollars too. */
const COIN = 'usdc';

export const createCopperxPayments = (world: CopperxWorld): Crypto => ({
  createCryptoPage: ({ depositId }) => createPage(world, depositId),
  fetchCrypto: ({ depositId, everyPage }) => fetchCrypto(world, depositId, everyPage),
});

async function createPage(world: CopperxWorld, depositId: string): Promise<CryptoPage> {
  const { copperx, db, publicUrl, log } = world;
  const deposit = await getDeposit(db, depositId);
  const { copperxSessionId: sessionId, checkoutUrl } = deposit;
  if (sessionId !== null && checkoutUrl !== null) return { sessionId, checkoutUrl, maybeSeveral: true };
  const maybeSeveral = activityAttempt() > 1;
  const earlier = maybeSeveral ? await pagesOf(world, deposit) : [];
  try {
    const page =
      earlier.find(hasPayment) ??
      earlier.find(({ status }) => status === 'open') ??
      (await copperx.createSession({
        clientReferenceId: depositId,
        productName: `${world.brandName ?? DEFAULT_BRAND.name} credit`,
        currency: COIN,
        unitAmount: microsToCoinUnits(deposit.amountMicros),
        successUrl: depositReturn(publicUrl, depositId),
        cancelUrl: depositReturn(publicUrl, depositId),
      }));
    return { sessionId: page.id, checkoutUrl: page.url, maybeSeveral };
  } catch (error) {
    if (!(error instanceof ApplicationFailure) || !error.nonRetryable) throw error;
    log.error({ depositId, error: error.message }, 'CopperX refuses a page that should be possible');
    return { failureCode: 'provider_rejected' };
  }
}

const hasPayment = ({ paymentIntent }: CopperxSession) => (paymentIntent?.transactions ?? []).length > 0;

/** The deposit's second may lie ahead of CopperX's clock, in skipped time. */
const pagesOf = ({ copperx }: CopperxWorld, { id, openedSecond }: Deposit): Promise<CopperxSession[]> =>
  copperx.sessionsOf(id, Math.min(openedSecond * 1000, Date.now()) - SECONDS_PER_DAY * 1000);

async function fetchCrypto(world: CopperxWorld, depositId: string, everyPage: boolean): Promise<CryptoSeen> {
  const { copperx, db, confirmations, log } = world;
  const deposit = await getDeposit(db, depositId);
  const { copperxSessionId: savedSessionId } = deposit;
  const listedIds = everyPage || savedSessionId === null ? (await pagesOf(world, deposit)).map(({ id }) => id) : [];
  const ids = [...new Set([...(savedSessionId === null ? [] : [savedSessionId]), ...listedIds])];
  const sessions = await Promise.all(ids.map((id) => copperx.retrieveSession(id)));
  const pages = sessions.filter((page) => page !== null);
  // The stored page is gone. Another page of the deposit may still exist.
  if (savedSessionId !== null && sessions[0] === null) {
    log.error({ depositId, sessionId: savedSessionId }, 'CopperX no longer has the page of a deposit');
    pages.push(...(await pagesOf(world, deposit)).filter(({ id }) => !ids.includes(id)));
  }
  const credited = await creditedByOutput(db, depositId);
  // A credited output may have come to another page of the deposit.
  if (credited.some((each) => !isReported(pages, each)) && listedIds.length === 0)
    pages.push(...(await pagesOf(world, deposit)).filter(({ id }) => !pages.some((page) => page.id === id)));

  const reported = pages.flatMap(readPage);
  const unreadable = reported.filter(({ output }) => output === null);
  if (unreadable.length > 0)
    log.error(
      { depositId, transactions: unreadable.map(({ hash }) => hash) },
      'a crypto payment is not credited: it is in no dollar coin, or its amount is not understood',
    );
  const outputs = reported.flatMap(({ output, confirmed }) =>
    output === null ? [] : [{ ...output, confirmed: confirmed(confirmations) }],
  );
  // The same output can be reported with fewer confirmations and with more: the most is so.
  const confirmedKeys = new Set(outputs.filter(({ confirmed }) => confirmed).map(outputKey));
  const fresh = newOutputs(outputs, await creditedOutputs(db, outputs));
  const confirmed = fresh.filter((output) => confirmedKeys.has(outputKey(output)));
  const changed = changesOf(pages, credited, { confirmations, keptPageId: savedSessionId });
  if (changed.length > 0) log.warn({ depositId, changed }, 'CopperX has changed a crypto payment that was credited');
  return {
    confirmed: confirmed.map(({ confirmed: _, ...output }) => output),
    awaiting: fresh.length - confirmed.length,
    ...(changed.length > 0 && { changed }),
    expired: pages.every(isClosed),
    ...(pages.length === 0 && { missing: true }),
    expiresSecond: Math.max(deposit.openedSecond, ...pages.map(({ expiresAt }) => secondOf(Date.parse(expiresAt)))),
  };
}

const readPage = (page: CopperxSession): ParsedOutput[] =>
  (page.paymentIntent?.transactions ?? []).map((seen) => readOutput(page, seen));

const isReported = (pages: CopperxSession[], credited: CreditedOutput): boolean =>
  pages.flatMap(readPage).some(({ output }) => output !== null && outputKey(output) === outputKey(credited));

/**
 * The credited outputs with another amount at the provider now. An output without enough confirmations, or without a
 * readable amount, stays as credited. An output counts as gone only while the stored page exists and lists its
 * transactions: a page that vanished says nothing about its payments.
 */
function changesOf(
  pages: CopperxSession[],
  credited: CreditedOutput[],
  { confirmations, keptPageId }: { confirmations: number; keptPageId: string | null },
): CryptoChange[] {
  const reported = pages.flatMap(readPage);
  const keptPage = pages.find(({ id }) => id === keptPageId);
  const isListed = Array.isArray(keptPage?.paymentIntent?.transactions);
  return credited.flatMap(({ transactionHash, output, amountMicros }) => {
    const key = outputKey({ transactionHash, output });
    const sameHash = reported.filter(({ hash }) => hash.toLowerCase() === transactionHash.toLowerCase());
    const equalOutputs = sameHash.filter((read) => read.output !== null && outputKey(read.output) === key);
    const now = equalOutputs.find(({ confirmed }) => confirmed(confirmations))?.output?.amountMicros;
    const isUnclear = equalOutputs.length > 0 || sameHash.some((read) => read.output === null) || !isListed;
    const nowMicros = now ?? (isUnclear ? amountMicros : ZERO);
    return nowMicros === amountMicros ? [] : [{ transactionHash, output, amountMicros: nowMicros }];
  });
}

/** A complete page with less than the requested amount stays open here until its time is over. */
const isClosed = ({ status, expiresAt }: CopperxSession): boolean =>
  status === 'expired' || status === 'canceled' || Date.parse(expiresAt) <= Date.now();

interface ParsedOutput {
  hash: string;
  /** Null when the value of the output is unknown. */
  output: CryptoOutput | null;
  confirmed: (required: number) => boolean;
}

/** Reads a transaction. Without a number of confirmations, CopperX's status of the page as paid counts. */
export function readOutput(page: CopperxSession, seen: CopperxTransaction): ParsedOutput {
  const { transactionHash: hash, outputIndex, logIndex, chainId } = seen;
  const currency = (seen.currency ?? page.currency).toLowerCase();
  const amountMicros = isDollarCoin(currency) ? amountOf(page, seen) : null;
  const output = outputIndex ?? logIndex ?? 0;
  return {
    hash,
    output:
      amountMicros === null
        ? null
        : { transactionHash: hash, output, chain: String(chainId ?? 'unknown'), currency, amountMicros },
    confirmed: (required) =>
      seen.confirmations === null || seen.confirmations === undefined
        ? page.status === 'complete' && page.paymentStatus === 'paid'
        : seen.confirmations >= required,
  };
}

/** The amount of the transaction; for a payment by a single transaction, the received amount of the payment. */
function amountOf({ paymentIntent }: CopperxSession, { amount }: CopperxTransaction) {
  const alone = paymentIntent?.transactions?.length === 1 ? paymentIntent.amountReceived : null;
  try {
    return coinUnitsToMicrosFloor(amount ?? alone);
  } catch {
    return null;
  }
}
