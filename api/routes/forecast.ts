/** Forecasts: a team's line with every crossing ahead, as if some changes were made now. Nothing is recorded. */
import { BillingError } from '../../billing/errors.ts';
import { type Assumed, type ForecastLine, forecastLine } from '../../billing/forecast-line.ts';
import type { InstanceOrder } from '../../billing/instances.ts';
import { checkHourly, type GpuPrice, listMicrosOf, PRICINGS, priceAt } from '../../billing/prices.ts';
import { daysAfter } from '../../billing/time.ts';
import { checkPolicy, type TopUpPolicy } from '../../billing/top-up.ts';
import { OR_SEND_HOURLY, priceNotFound } from '../../ledger/prices.ts';
import { readAccount } from '../../prisma/accounts.ts';
import { gpuPricesFor } from '../../prisma/prices.ts';
import { inSnapshot } from '../../prisma/snapshot.ts';
import type { Call } from '../http/calls.ts';
import { type Route, route } from '../http/route.ts';
import { Amount, amount, Dollars, Id, Second, TeamPath, Time, text, timeOrNull, z } from '../http/schemas.ts';
import { Warning } from '../views/warning.ts';
import type { ApiWorld } from '../world.ts';

const MOST_AT_ONCE = 1_000;
const DAYS_AHEAD = 31;
const MOST_DAYS_AHEAD = 400;

const Start = z
  .object({
    hourly: Dollars.optional().openapi({ description: 'instead of the list price: charged as given' }),
    gpuType: text(100).optional().openapi({ example: 'h100-80gb' }),
    region: text(100).optional().openapi({ example: 'eu-west-1' }),
    pricing: z.enum(PRICINGS).default('on_demand'),
    project: text(100).optional().openapi({ example: 'train' }),
    count: z.int().min(1).max(MOST_AT_ONCE).default(1).openapi({ example: 2 }),
  })
  .strict();

const Asked = z.object({
  start: z.array(Start).max(50).default([]).openapi({ description: 'instances that start now' }),
  stop: z.array(Id).max(MOST_AT_ONCE).default([]).openapi({ description: 'ids of running instances that end now' }),
  deposit: Dollars.optional().openapi({ description: 'credit that arrives now' }),
  autoTopUp: z
    .object({ enabled: z.boolean(), threshold: Dollars, amount: Dollars, monthlyCap: Dollars.nullable().optional() })
    .strict()
    .optional()
    .openapi({ description: 'a policy in place of the present policy; a saved card is assumed' }),
  cardFails: z.boolean().default(false).openapi({ description: 'true: the next charge of the card fails' }),
  until: Second.optional().openapi({
    description: `the last second of the forecast, at most ${MOST_DAYS_AHEAD} days ahead; without it, ${DAYS_AHEAD} days ahead`,
  }),
});
type Asking = z.output<typeof Asked>;

const Crossing = z
  .object({
    at: Time,
    what: z.enum([
      ...(['top_up', 'top_up_failed', 'top_up_capped', 'low_balance', 'shed', 'exhausted', 'budget_met'] as const),
      ...(['burn_limit', 'reservation_ended', 'reservation_renewed', 'reservation_lapsed'] as const),
      ...(['spot_reclaimed', 'rate_changed'] as const),
    ]),
    balance: Amount.openapi({ description: 'the available credit afterwards' }),
    instances: z.array(z.string()).openapi({
      description: 'running instances that end, or are charged another rate; instances of `start` are not included',
    }),
  })
  .openapi('ForecastCrossing');

const Forecast = z
  .object({
    crossings: z.array(Crossing).openapi({ description: 'in the order of their seconds' }),
    runsOutAt: Time.nullable().openapi({
      description: 'the last second that is paid in full, top-ups included; null if credit does not end by `until`',
    }),
    until: Time.openapi({ description: 'the last second of the forecast' }),
    warnings: z.array(Warning).openapi({ description: 'why a start would be refused now' }),
  })
  .openapi('Forecast');

/** No id of an instance holds a slash. */
const IMAGINED = 'forecast/';

const viewForecast = ({
  crossings,
  runsOutSecond,
  throughSecond,
  refusal,
}: ForecastLine): z.input<typeof Forecast> => ({
  crossings: crossings.map(({ second, what, balanceMicros, instanceIds }) => ({
    at: timeOrNull(second) as string,
    what,
    balance: amount(balanceMicros),
    instances: instanceIds.filter((id) => !id.startsWith(IMAGINED)),
  })),
  runsOutAt: timeOrNull(runsOutSecond),
  until: timeOrNull(throughSecond) as string,
  warnings: refusal ? [{ code: refusal.code as z.input<typeof Warning>['code'], message: refusal.message }] : [],
});

function checkAsked({ start, autoTopUp, until }: Asking, call: Call): void {
  const isGiven = start.findIndex(({ hourly }) => hourly !== undefined);
  if (isGiven !== -1 && call.caller.kind !== 'platform')
    throw new BillingError(
      'forbidden',
      'only the platform may send hourly: leave it out for your price',
      `start.${isGiven}.hourly`,
    );
  for (const [index, { hourly, gpuType, region }] of start.entries()) {
    if (hourly !== undefined) checkHourly(hourly, `start.${index}.hourly`);
    else if (gpuType === undefined || region === undefined) {
      const param = `start.${index}.${gpuType === undefined ? 'gpuType' : 'region'}`;
      throw new BillingError('invalid_request', `${param} is needed where hourly is left out`, param);
    }
  }
  if (autoTopUp) checkPolicy(policyOf(autoTopUp));
  if (until !== undefined && (until < call.receivedSecond || until > daysAfter(call.receivedSecond, MOST_DAYS_AHEAD)))
    throw new BillingError('at_out_of_range', `until must lie within the next ${MOST_DAYS_AHEAD} days`, 'until');
}

const policyOf = ({
  enabled,
  threshold,
  amount: each,
  monthlyCap = null,
}: NonNullable<Asking['autoTopUp']>): TopUpPolicy => ({
  ...{ enabled, thresholdMicros: threshold, amountMicros: each, monthlyCapMicros: monthlyCap },
  paymentMethodId: 'assumed',
});

/** @throws BillingError `price_not_found` */
function ordersOf(start: Asking['start'], prices: readonly GpuPrice[], second: number): InstanceOrder[] {
  return start.flatMap(({ hourly, gpuType = 'any', region = 'any', pricing, project, count }, index) => {
    const price = hourly === undefined ? priceAt(prices, { gpuType, region }, second) : null;
    if (hourly === undefined && !price) throw priceNotFound(OR_SEND_HOURLY);
    const listMicrosPerHour = hourly ?? listMicrosOf(price as GpuPrice, pricing);
    return Array.from({ length: count }, (_, nth) => ({
      instanceId: `${IMAGINED}${index}/${nth}`,
      ...{ gpuType, region, pricing, listMicrosPerHour, given: hourly !== undefined, shedOrder: null },
      ...(project !== undefined && { project }),
    }));
  });
}

export const forecast = ({ db, settings }: ApiWorld): Route[] => [
  route({
    method: 'post',
    path: '/v1/teams/{team}/forecast',
    records: false,
    archivedToo: true,
    tag: 'Balance',
    summary: 'Follow the credit of a team into the future, as if some changes were made now; nothing is recorded',
    who: 'read',
    params: TeamPath,
    body: Asked,
    answer: { status: 200, schema: Forecast },
    fails: ['price_not_found', 'no_reservation', 'amount_out_of_range', 'at_out_of_range'],
    handle: async ({ params: { team }, body, call }) => {
      checkAsked(body, call);
      const { start, stop: stopIds, deposit = null, autoTopUp, cardFails, until } = body;
      return inSnapshot(db, async (tx) => {
        const account = await readAccount(tx, team, { throughSecond: call.receivedSecond, for: 'start' });
        const second = Math.max(account.asOfSecond, call.receivedSecond);
        const pairs = start.flatMap(({ hourly, gpuType, region }) =>
          hourly === undefined && gpuType !== undefined && region !== undefined ? [{ gpuType, region }] : [],
        );
        const prices = pairs.length > 0 ? await gpuPricesFor(tx, pairs, second) : [];
        const assumed: Assumed = {
          ...{ stopIds, cardFails, depositMicros: deposit, policy: autoTopUp ? policyOf(autoTopUp) : null },
          starts: ordersOf(start, prices, second),
          untilSecond: until ?? daysAfter(second, DAYS_AHEAD),
        };
        const known = { ...account, prices: [...account.prices, ...prices] };
        return { status: 200, body: viewForecast(forecastLine(known, settings, assumed, second)) };
      });
    },
  }),
];
