/** A case: a team pays, its payment is held at the step, the fault strikes, and the case ends when all work is done. */
import { setTimeout as sleep } from 'node:timers/promises';
import type { Gate, Held, Way } from '../../embedded/gates.ts';
import type { Case } from './cases.ts';
import { differencesOf } from './differences.ts';
import type { Site } from './site.ts';
import type { Team } from './teams.ts';
import { isWebhookFault } from './words.ts';

/**
 * Detects a hang only: of forty payments at once, on two cores beside ten busy loops, the last came to its step after
 * 160 s. Longer than the repeats of any call (api.ts), whose failure gives the reason.
 */
const REACHED_WITHIN_MS = 300_000;
/** The time in which the product must give up a held request. Longer than its timeouts for Stripe and for mail servers. */
const GIVEN_UP_WITHIN_MS = 60_000;
/**
 * Detects a hang only: a killed worker's mail is retried after a minute, its charge after half a minute, then the poll
 * may be due, and a busy machine is late with each.
 */
const QUIET_WITHIN_MS = 300_000;
const LOOK_AGAIN_MS = 300;

export class Run {
  readonly what: Case;
  readonly #site: Site;
  readonly #team: Team;
  #gate: Gate<unknown> | null = null;
  #playing: Promise<string | null> = Promise.resolve(null);
  #held: Held<unknown> | null = null;
  #difference: string | null = null;

  private constructor(site: Site, team: Team, what: Case) {
    this.#site = site;
    this.#team = team;
    this.what = what;
  }

  /** A team before its payment. A failed preparation is a difference of this case alone. */
  static async of(site: Site, what: Case): Promise<Run> {
    const team = await site.newTeam();
    const run = new Run(site, team, what);
    await what.kind.prepare?.(site, team).catch((error: Error) => {
      run.#difference = `it could not be prepared: ${error.message}`;
    });
    return run;
  }

  /**
   * Makes the payment. Resolves when the payment stands at its step. Never rejects: a payment that does not reach its
   * step is a difference.
   */
  async toStep(): Promise<void> {
    if (this.#difference !== null) return;
    const site = this.#site;
    const team = this.#team;
    const { kind, fault } = this.what;
    if (isWebhookFault(fault)) site.courier.begin(team.id, fault);
    this.#gate = holdAt(site, team, this.what);
    this.#playing = kind.play(site, team).then(
      () => null,
      (error: Error) => `the person could not pay: ${error.message}`,
    );
    // A payment that fails comes to no step. A further wait would report the payment as lost.
    const cannotPay = this.#playing.then((why) => why ?? new Promise<never>(() => {}));
    const came = await within(Promise.race([this.#gate.reached, cannotPay]), REACHED_WITHIN_MS);
    if (came === null) this.#difference = await this.#notReached();
    else if (typeof came === 'string') this.#difference = came;
    else this.#held = came;
  }

  /** With the open work, which shows the place of the payment. */
  async #notReached(): Promise<string> {
    const open = await this.#openMatters().catch((error: Error) => [error.message]);
    const late = `it did not come to the step ${this.what.step} in ${REACHED_WITHIN_MS / 1000} s`;
    return `${late}: ${open.join(', ') || 'nothing is open'}`;
  }

  /** Strikes with a fault of this case alone, and lets the payment go on. */
  async strike(): Promise<void> {
    const { fault } = this.what;
    if (isWebhookFault(fault)) await this.#site.courier.atStep(this.#team.id);
    if (fault === 'timeout' && this.#held) {
      const gaveUp = await within(
        this.#held.givenUp.then(() => true),
        GIVEN_UP_WITHIN_MS,
      );
      if (!gaveUp) this.#difference = 'the caller did not give up';
    }
    this.goOn(WAYS[fault] ?? 'on');
  }

  /** Called as the fault strikes. A case that the fault does not strike tests nothing. */
  struck(): void {
    if (this.isTooLate) this.#difference ??= 'the caller gave up before the fault came';
  }

  /** True if the payment has left its step, because its caller has waited too long for the other cases. */
  get isTooLate(): boolean {
    return this.#held?.hasGivenUp() === true;
  }

  goOn(way: Way = 'on'): void {
    this.#gate?.release(way);
  }

  /** Waits until no work is left, delivers the withheld webhooks, and waits again. */
  async rest(): Promise<void> {
    this.#difference ??= await this.#playing;
    this.#difference ??= await this.#untilQuiet();
    if (!isWebhookFault(this.what.fault)) return;
    await this.#site.courier.atEnd(this.#team.id);
    this.#difference ??= await this.#untilQuiet();
  }

  /** The differences from the expected state. */
  async differences(): Promise<string[]> {
    if (this.#difference !== null) return [this.#difference];
    return differencesOf(this.#site, this.#team, this.what);
  }

  async #untilQuiet(): Promise<string | null> {
    const deadline = Date.now() + QUIET_WITHIN_MS;
    for (;;) {
      const open = await this.#openMatters();
      if (open.length === 0) return null;
      if (Date.now() > deadline) return `still open after ${QUIET_WITHIN_MS / 1000} s: ${open.join(', ')}`;
      await sleep(LOOK_AGAIN_MS);
    }
  }

  async #openMatters(): Promise<string[]> {
    const { rows } = this.#site;
    const { kind: of } = this.what;
    const now = await rows.of(this.#team.id);
    if (!now) return ['the ledger'];
    const open = now.deposits
      .filter(({ status }) => status === 'pending' || status === 'requires_action')
      .map(({ id, status }) => `${id} is ${status}`);
    for (const { id, status } of now.refunds) if (status === 'pending') open.push(`${id} is pending`);
    if (now.deposits.length === 0) open.push('no deposit yet');
    if (now.attemptDepositId !== null) open.push('an attempt in flight');
    for (const { id, isSent } of now.notices) if (!isSent) open.push(`${id} is not sent`);
    for (const mail of of.expected(this.#team).mails)
      if (!now.notices.some(({ kind }) => kind === mail)) open.push(`no ${mail} yet`);
    if (open.length > 0) return open;
    // Asked only once the rows are all there: each is a call.
    const deposits = of.staysOpen ? [] : now.deposits.map(({ id }) => `deposit/${id}`);
    const workflows = [...deposits, ...now.notices.map(({ id }) => `notice/${id}`)];
    const ended = await Promise.all(workflows.map((id) => this.#site.hasEnded(id)));
    return workflows.filter((_, i) => !ended[i]).map((id) => `${id} runs`);
  }
}

const WAYS: Partial<Record<Case['fault'], Way>> = { dropped: 'drop', 429: 'rate_limit', 500: 'error' };

function holdAt(site: Site, team: Team, { kind, step }: Case): Gate<unknown> {
  if (step !== 'after_ledger' && step !== 'after_mail') return kind.hold(site, team, step);
  const point = step === 'after_ledger' ? 'arrival' : 'answer';
  return site.inbox.gates.hold(
    ({ point: at, message }) => at === point && message.to.includes(team.email) && kind.subject.test(message.subject),
  );
}

async function within<T>(promise: Promise<T>, ms: number): Promise<T | null> {
  const late = new AbortController();
  const waited = sleep(ms, null, { signal: late.signal }).catch(() => null);
  try {
    return await Promise.race([promise, waited]);
  } finally {
    late.abort();
  }
}
