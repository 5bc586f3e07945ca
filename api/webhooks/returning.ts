/**
 * The return of a person from a payment page. Like a webhook, the return is only a hint to ask the provider. The
 * workflow of a payment is woken, a saved card is adopted. The person is then redirected to the address of the deposit
 * or the page, or sees the state of the payment.
 */

import { setTimeout as sleep } from 'node:timers/promises';
import type { Request, RequestHandler, Response } from 'express';
import { adoptedId } from '../../activities/stripe/card-adoption.ts';
import { isOpen } from '../../billing/deposits.ts';
import { secondOf } from '../../billing/time.ts';
import { detailsOf } from '../../prisma/call-details.ts';
import { type Deposit, findDeposit } from '../../prisma/deposits.ts';
import { type Note, notePage } from '../http/note.ts';
import { returnUrlFault, withQuery } from '../http/return-url.ts';
import { cardNote, depositNote, LOOKS_AGAIN, RELOAD, UNKNOWN_PAYMENT, WELCOME_BACK } from '../views/return-note.ts';
import type { ApiWorld } from '../world.ts';
import { wakeDeposit } from './stripe.ts';

/** The longest wait for the outcome. Later outcomes appear at the next reload of the page. */
const WITHIN_MS = 3_000;
const LOOK_EVERY_MS = 250;
/**
 * Seconds between the reloads of an open page, about a quarter of an hour in all. Afterwards a person must reload the
 * page.
 */
const REFRESH_SECONDS = [2, 3, 5, 8, 13, 20, ...Array.from({ length: 28 }, () => 30)];
const SESSION = /^cs_\w{1,200}$/;
const ID = /^[A-Za-z0-9_-]{1,128}$/;

/** The answer of the page: a note, or the address of a redirect. */
type Answer = { note: Note; isOpen: boolean } | { goOn: string };

export const returning =
  (world: ApiWorld, policy: string): RequestHandler =>
  async (request, response) => {
    const { setup, deposit, to } = request.query;
    const isSession = typeof setup === 'string' && SESSION.test(setup);
    const answer =
      typeof deposit === 'string'
        ? await afterPayment(world, deposit)
        : setup === undefined
          ? { note: WELCOME_BACK, isOpen: false }
          : await afterSetup(world, isSession ? setup : null, typeof to === 'string' ? to : null);
    send(request, response, answer, policy);
  };

function send(request: Request, response: Response, answer: Answer, policy: string): void {
  response.set('Cache-Control', 'no-store');
  if ('goOn' in answer) {
    response.redirect(303, answer.goOn);
    return;
  }
  const looks = Number(/^\d{1,3}$/.exec(String(request.query.look ?? '0'))?.[0] ?? 0);
  const afterSeconds = REFRESH_SECONDS[looks];
  const { title, paragraphs } = answer.note;
  const looksAgain = answer.isOpen && afterSeconds !== undefined;
  const note: Note = {
    title,
    paragraphs: answer.isOpen ? [...paragraphs, looksAgain ? LOOKS_AGAIN : RELOAD] : paragraphs,
    ...(looksAgain && { refresh: { afterSeconds, url: nextLook(request, looks + 1) } }),
  };
  response.set('Content-Security-Policy', policy).type('html').send(notePage(note));
}

function nextLook(request: Request, look: number): string {
  const query = new URLSearchParams();
  for (const name of ['deposit', 'setup', 'to']) {
    const value = request.query[name];
    if (typeof value === 'string') query.set(name, value);
  }
  query.set('look', String(look));
  return `/return?${query}`;
}

/** The return address that was stored, if still allowed. */
async function namedAddress(world: ApiWorld, detailsHash: string | null): Promise<string | null> {
  const address = (await detailsOf(world.db, [detailsHash])).get(detailsHash ?? '')?.returnUrl ?? null;
  return address !== null && returnUrlFault(address, world) === null ? address : null;
}

async function afterPayment(world: ApiWorld, depositId: string): Promise<Answer> {
  const opened = ID.test(depositId) ? await findDeposit(world.db, depositId) : null;
  // People return only from a page or from their bank. Nobody opens a page for an auto top-up.
  if (opened === null || opened.kind === 'auto_top_up') return { note: UNKNOWN_PAYMENT, isOpen: false };
  const deposit = await settled(world, opened);
  const address = await namedAddress(world, deposit.detailsHash);
  if (address !== null) return { goOn: withQuery(address, { deposit: deposit.id, status: deposit.status }) };
  return { note: depositNote(deposit), isOpen: isOpen(deposit.status) };
}

/** Has the provider asked, and waits a moment for the outcome. */
async function settled(world: ApiWorld, opened: Deposit): Promise<Deposit> {
  const untilMs = Date.now() + WITHIN_MS;
  const woken = await within(
    WITHIN_MS,
    wakeDeposit(world, opened).then(() => true),
  ).catch((error) => {
    world.log.warn({ err: error }, 'a return from a payment page could not be followed up at once');
    return false;
  });
  let deposit = opened;
  while (woken && isOpen(deposit.status) && Date.now() < untilMs) {
    await sleep(LOOK_EVERY_MS);
    deposit = (await findDeposit(world.db, opened.id)) ?? deposit;
  }
  return deposit;
}

async function afterSetup(world: ApiWorld, sessionId: string | null, to: string | null): Promise<Answer> {
  const card = sessionId === null ? undefined : await adopted(world, sessionId);
  const state = card ? 'saved' : sessionId === null ? 'not_saved' : 'not_yet';
  const address = await namedAddress(world, to);
  if (address !== null) return { goOn: withQuery(address, { setup: state, ...(card && { paymentMethod: card }) }) };
  return { note: cardNote(state), isOpen: state === 'not_yet' };
}

/**
 * Saves the card of a finished page for its team. Returns the card's id, or undefined if the card is not known in time.
 */
async function adopted({ cards, engine, nowMs, log }: ApiWorld, sessionId: string): Promise<string | undefined> {
  const looking = async (): Promise<string | undefined> => {
    const card = await cards.adoptFromSetup({ sessionId, nowSecond: secondOf(nowMs()), newId: adoptedId(sessionId) });
    if (card) await engine.wake.watch(card.teamId).catch((error) => log.warn({ err: error }, 'a watch was not woken'));
    return card?.id;
  };
  return within(WITHIN_MS, looking()).catch((error) => {
    log.warn({ err: error }, 'a return from the page for saving a card could not be followed up at once');
    return undefined;
  });
}

/** The result of `work` if ready in time, or undefined. */
const within = async <T>(ms: number, work: Promise<T>): Promise<T | undefined> => {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<undefined>((resolve) => {
    timer = setTimeout(() => resolve(undefined), ms);
  });
  return Promise.race([work, late]).finally(() => clearTimeout(timer));
};
