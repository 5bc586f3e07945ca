/**
 * The progress of the demo: reports each change on the timeline, and ends a wait with an error when nothing changes any
 * more.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import type { Neighbours } from '../../embedded/neighbours.ts';
import type { Balance, DemoTeam, Deposit, TopUp } from './team.ts';
import { bold, green, red, type Timeline } from './timeline.ts';

/** The longest time without a change before the demo gives up. */
const GIVE_UP_AFTER_MS = 300_000;
const LOOK_EVERY_MS = 250;

export class Progress {
  private readonly team: DemoTeam;
  private readonly neighbours: Neighbours;
  private readonly timeline: Timeline;
  private readonly thresholdDollars: number;
  private readonly reported = new Set<string>();
  private done = false;
  /** The last seen state, and the time of its last change. */
  private lastSeen = '';
  private unchangedSinceMs = Date.now();

  constructor(team: DemoTeam, neighbours: Neighbours, timeline: Timeline, thresholdDollars: number) {
    this.team = team;
    this.neighbours = neighbours;
    this.timeline = timeline;
    this.thresholdDollars = thresholdDollars;
  }

  /** Reports changes without a call: charges, the policy, machines, mails. Returns after `end`. */
  async report(): Promise<void> {
    const { team, timeline } = this;
    while (!this.done) {
      await sleep(LOOK_EVERY_MS);
      const [balance, topUp, deposits] = await Promise.all([team.balance(), team.topUp(), team.deposits()]).catch(
        () => [null, null, null] as const,
      );
      if (!balance || !topUp || !deposits) continue;
      this.sawState(balance, topUp, deposits);
      this.reportCharges(deposits);
      this.reportCooldown(balance, topUp);
      this.reportMailsAndStops();
      timeline.show({
        availableDollars: Number(balance.available),
        burnPerHourDollars: Number(balance.burnPerHour),
        runsOutAt: balance.runsOutAt,
        topUp: topUp.state,
      });
    }
  }

  end(): void {
    this.done = true;
  }

  /**
   * Waits for a state. Gives up when nothing at all has changed for five minutes, with the last state in the message.
   */
  async until(what: string, isReached: () => Promise<boolean>): Promise<void> {
    this.unchangedSinceMs = Date.now();
    while (!(await isReached())) {
      if (Date.now() - this.unchangedSinceMs > GIVE_UP_AFTER_MS)
        throw new Error(`waited for ${what}; nothing has changed for ${GIVE_UP_AFTER_MS / 1000} s: ${this.lastSeen}`);
      await sleep(LOOK_EVERY_MS);
    }
  }

  private sawState(balance: Balance, topUp: TopUp, deposits: Deposit[]): void {
    const seen = JSON.stringify({
      topUp: topUp.state,
      deposits: deposits.map(({ id, status, received }) => [id, status, received]),
      activeInstances: balance.activeInstances,
      mails: this.neighbours.inbox?.messages().length,
      events: this.neighbours.platform?.events().length,
    });
    if (seen !== this.lastSeen) this.unchangedSinceMs = Date.now();
    this.lastSeen = seen;
  }

  private reportCharges(deposits: Deposit[]): void {
    const { timeline } = this;
    for (const deposit of deposits)
      if (deposit.label === 'Auto Top-Up' && deposit.status !== 'pending')
        this.once(deposit.id, () =>
          deposit.status === 'succeeded'
            ? timeline.say('💳', `auto top-up of ${green(`$${Number(deposit.amount).toFixed(2)}`)}`)
            : timeline.say('⛔', red('auto top-up declined: the policy is off, and the team gets a mail')),
        );
  }

  private reportCooldown(balance: Balance, topUp: TopUp): void {
    const waiting = topUp.state === 'cooling_down' && Number(balance.available) < this.thresholdDollars;
    if (waiting && topUp.cooldownUntil)
      this.once(`cooldown ${topUp.cooldownUntil}`, () =>
        this.timeline.say(
          '⏳',
          `below the threshold again, but the cooldown holds the next charge back until ${topUp.cooldownUntil}`,
        ),
      );
  }

  private reportMailsAndStops(): void {
    const { timeline } = this;
    for (const mail of this.neighbours.inbox?.messages() ?? [])
      this.once(mail.id, () => timeline.say('✉ ', `mail: ${mail.subject}`));
    for (const { type, data, answered } of this.neighbours.platform?.events() ?? [])
      if (type === 'instance.terminate' && answered)
        this.once(`terminate ${JSON.stringify(data)}`, () =>
          timeline.say('⏹ ', `the platform is told to stop ${bold(String((data as { id?: string }).id))}`),
        );
  }

  private once(key: string, act: () => void): void {
    if (this.reported.has(key)) return;
    this.reported.add(key);
    act();
  }
}
