/** A book that also keeps the rows of holds: each with how it has ended. */
import assert from 'node:assert/strict';
import type { Effect, FactOutcome } from '../../billing/change.ts';
import { recordUsage } from '../../billing/facts.ts';
import { type Hold, hasExpired, placeHold, voidHold } from '../../billing/holds.ts';
import { type Micros, parseDollars } from '../../billing/money.ts';
import { Book } from './book.ts';

export interface HoldOfBook extends Hold {
  status: 'pending' | 'settled' | 'voided' | 'expired';
}

export class HoldBook extends Book {
  /** All that there were, the first first. */
  readonly placed: HoldOfBook[] = [];

  hold(amount: string | Micros, ttlSeconds: number, at: number): this {
    const amountMicros = typeof amount === 'string' ? parseDollars(amount) : amount;
    const outcome = placeHold(this.account, this.settings, { amountMicros, ttlSeconds }, at);
    const expiresSecond = outcome.account.asOfSecond + ttlSeconds;
    this.placed.push({ holdId: this.id('hold'), amountMicros, expiresSecond, status: 'pending' });
    return this.keep(outcome);
  }

  /** False where it has ended already. */
  void(hold: HoldOfBook, at: number): boolean {
    if (hold.status !== 'pending') return false;
    this.#end([hold], 'voided', voidHold(this.account, this.settings, hold, at));
    return (hold.status as HoldOfBook['status']) === 'voided';
  }

  /** Settles, of the holds that it names, those that have not ended. */
  override use(cost: string | bigint, at: number, named: readonly HoldOfBook[] = []): this {
    const exact = typeof cost === 'bigint' ? cost : BigInt(parseDollars(cost)) * 1_000_000n;
    const holds = [...new Set(named)].filter(({ status }) => status === 'pending');
    const usage = { eventId: this.id('ev'), cost: exact, holds };
    return this.#end(holds, 'settled', recordUsage(this.account, this.settings, usage, at));
  }

  #end(holds: HoldOfBook[], as: 'settled' | 'voided', outcome: FactOutcome): this {
    for (const hold of holds) if (!hasExpired(hold, outcome.account)) hold.status = as;
    return this.keep(outcome);
  }

  protected override note(effect: Effect): void {
    super.note(effect);
    if (effect.kind !== 'holds_expired') return;
    for (const hold of this.placed)
      if (hold.status === 'pending' && hold.expiresSecond <= effect.throughSecond) hold.status = 'expired';
  }

  protected override holds(): void {
    super.holds();
    const pending = this.placed.filter(({ status }) => status === 'pending');
    const contested = this.account.contests.reduce((sum, { heldMicros }) => sum + heldMicros, 0);
    const held = pending.reduce((sum, { amountMicros }) => sum + amountMicros, contested);
    assert.equal(this.account.heldMicros, held, 'what is held is not what the disputes and the holds hold');
  }
}
