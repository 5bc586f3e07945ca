/**
 * A team's line with every crossing ahead, as if some changes were made now: the same pure functions as the watch, followed into
 * the future. Charges of the card succeed or fail in the second in which they are due. Source: docs/rules.md#balance,
 * docs/http.md#balance-and-quote.
 */
import { type Account, type BillingSettings, spendableMicros } from './account.ts';
import { AccountChange, type Effect, type FactOutcome } from './change.ts';
import { bringUpToDate, cross } from './clock.ts';
import { type Crossing, nextCrossing } from './crossings.ts';
import type { BillingError } from './errors.ts';
import { advance, creditDeposit, failAttempt, setPolicy } from './facts.ts';
import { type InstanceOrder, openMeters, startRefusal } from './instances.ts';
import { burnRefusal } from './met-budgets.ts';
import { larger, type Micros, ZERO } from './money.ts';
import { burnMicrosPerHour } from './runway.ts';
import { stopInstances } from './team-state.ts';
import type { TopUpPolicy } from './top-up.ts';

/** The changes that are assumed at the present second. */
export interface Assumed {
  /** Instances that end now. Ids of instances that do not run are left out. */
  stopIds: readonly string[];
  depositMicros: Micros | null;
  policy: TopUpPolicy | null;
  starts: readonly InstanceOrder[];
  /** True if the next charge of the card is to fail. */
  cardFails: boolean;
  /** The forecast ends with this second. */
  untilSecond: number;
}

export type ForeseenKind =
  | 'top_up'
  | 'top_up_failed'
  | 'top_up_capped'
  | 'low_balance'
  | 'shed'
  | 'exhausted'
  | 'budget_met'
  | 'burn_limit'
  | 'reservation_ended'
  | 'reservation_renewed'
  | 'reservation_lapsed'
  | 'spot_reclaimed'
  | 'rate_changed';

/** An effect of a crossing, and the balance afterwards. */
export interface Foreseen {
  second: number;
  what: ForeseenKind;
  balanceMicros: Micros;
  /** The instances that end or are charged another rate. */
  instanceIds: string[];
}

export interface ForecastLine {
  crossings: Foreseen[];
  /** The second at which all instances end for lack of credit, if within the forecast. */
  runsOutSecond: number | null;
  /** The last second of the forecast. Earlier than asked for if there were too many crossings. */
  throughSecond: number;
  /** Why a start would be refused now. The forecast goes on as if it were not. */
  refusal: BillingError | null;
}

/** Limits the duration of an answer. */
const MOST_CROSSINGS = 2_000;

/**
 * Follows the account from a second on.
 * @throws BillingError `no_reservation`, as a start would; MetersNeeded
 */
export function forecastLine(
  recorded: Account,
  settings: BillingSettings,
  assumed: Assumed,
  nowSecond: number,
): ForecastLine {
  const line = new Line(advance(recorded, settings, nowSecond).account, settings, assumed.cardFails);
  const { refusal } = line.assume(assumed);
  for (let crossed = 0; crossed < MOST_CROSSINGS; crossed += 1) {
    const next = nextCrossing(line.account, settings);
    if (next === null || next.second > assumed.untilSecond) return line.answer(assumed.untilSecond, refusal);
    line.take(next);
  }
  return line.answer(line.account.asOfSecond, refusal);
}

class Line {
  account: Account;
  private readonly settings: BillingSettings;
  private cardFails: boolean;
  private readonly crossings: Foreseen[] = [];

  constructor(account: Account, settings: BillingSettings, cardFails: boolean) {
    this.account = account;
    this.settings = settings;
    this.cardFails = cardFails;
  }

  /** Makes the assumed changes: ends first, then money, then starts. */
  assume({ stopIds, depositMicros, policy, starts }: Assumed): { refusal: BillingError | null } {
    const { settings } = this;
    const second = this.account.asOfSecond;
    if (stopIds.length > 0)
      this.keep(stopInstances(this.account, settings, { instanceIds: new Set(stopIds), reason: 'stopped' }, second));
    if (depositMicros !== null)
      this.keep(creditDeposit(this.account, settings, { depositId: 'forecast', amountMicros: depositMicros }, second));
    if (policy) this.keep(setPolicy(this.account, settings, policy, second));
    const refusals = starts.map(({ project = null }) => startRefusal(this.account, settings, project));
    const presentMicros = burnMicrosPerHour(this.account);
    const change = new AccountChange(this.account, settings);
    openMeters(change, starts);
    const aboveLimit = starts.length > 0 ? burnRefusal(change.account, presentMicros) : null;
    bringUpToDate(change, second);
    this.keep(change.outcome());
    return { refusal: refusals.find((refusal) => refusal !== null) ?? aboveLimit };
  }

  /** Applies one crossing at its second. */
  take(crossing: Crossing): void {
    const change = new AccountChange(this.account, this.settings);
    change.account.asOfSecond = Math.max(change.account.asOfSecond, crossing.second);
    cross(change, crossing);
    this.keep(change.outcome());
  }

  answer(throughSecond: number, refusal: BillingError | null): ForecastLine {
    const runsOutSecond = this.crossings.find(({ what }) => what === 'exhausted')?.second ?? null;
    return { crossings: this.crossings, runsOutSecond, throughSecond, refusal };
  }

  private keep({ account, effects }: FactOutcome): void {
    this.account = account;
    for (const [what, second, instanceIds] of foreseenIn(account, effects))
      this.crossings.push({ second, what, instanceIds, balanceMicros: this.balance() });
    if (account.attempt) this.charge(account.attempt);
  }

  /** The outcome of a charge in the second in which the charge is due. */
  private charge({ depositId, amountMicros }: NonNullable<Account['attempt']>): void {
    const { account, settings } = this;
    const second = account.asOfSecond;
    const what = this.cardFails ? 'top_up_failed' : 'top_up';
    const outcome = this.cardFails
      ? failAttempt(account, settings, depositId, second)
      : creditDeposit(account, settings, { depositId, amountMicros }, second);
    this.cardFails = false;
    this.account = outcome.account;
    this.crossings.push({ second, what, instanceIds: [], balanceMicros: this.balance() });
    this.keep(outcome);
  }

  private balance(): Micros {
    return larger(spendableMicros(this.account, this.account.asOfSecond), ZERO);
  }
}

type Seen = [what: ForeseenKind, second: number, instanceIds: string[]];

const ENDED_HOW = {
  ended: 'reservation_ended',
  not_offered: 'reservation_ended',
  renewed: 'reservation_renewed',
  lapsed: 'reservation_lapsed',
} as const;

/** What people would notice of a change. */
function foreseenIn(account: Account, effects: readonly Effect[]): Seen[] {
  const rerated = effects.flatMap((effect) =>
    effect.kind === 'meter_opened' && effect.meter.segment > 1 ? [effect.meter] : [],
  );
  const [first] = rerated;
  const reratedIds = [...new Set(rerated.map(({ instanceId }) => instanceId))];
  return [
    ...effects.flatMap((effect): Seen[] => {
      switch (effect.kind) {
        case 'low':
          return [['low_balance', effect.second, []]];
        case 'capped':
          return [['top_up_capped', effect.second, []]];
        case 'burn_above':
          return [['burn_limit', effect.second, []]];
        case 'budget_met':
          return [['budget_met', effect.second, effect.instanceIds]];
        case 'exhausted':
          return [[account.meters.length > 0 ? 'shed' : 'exhausted', effect.second, effect.instanceIds]];
        case 'reservation_closed':
          return [[ENDED_HOW[effect.how], effect.endSecond, []]];
        case 'instance_ended':
          return effect.reason === 'spot_reclaimed' ? [['spot_reclaimed', effect.endSecond, [effect.instanceId]]] : [];
        default:
          return [];
      }
    }),
    ...(first ? [['rate_changed', first.startSecond, reratedIds] satisfies Seen] : []),
  ];
}
