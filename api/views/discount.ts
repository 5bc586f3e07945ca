/** The discount of a team, for its price listing and its next start. */
import type { Account, BillingSettings } from '../../billing/account.ts';
import { type Discount, discountAt, nextTierOf } from '../../billing/discounts.ts';
import { volumeDiscountAt } from '../../billing/rerating.ts';
import { trailingSpendMicros } from '../../billing/spending.ts';
import { readAccount } from '../../prisma/accounts.ts';
import type { Tx } from '../../prisma/client.ts';
import { lastDiscount } from '../../prisma/discounts.ts';
import { Amount, amount, Time, timeOrNull, z } from '../http/schemas.ts';
import { standingOf } from './standing.ts';

export const TeamDiscount = z
  .object({
    percent: z.number().openapi({ example: 12.5, description: 'the assigned discount; 0 for none' }),
    until: Time.nullable().openapi({ description: 'the second from which the discount does not apply any more' }),
    note: z.string().nullable(),
    volumePercent: z.number().openapi({ description: 'the volume discount' }),
    effectivePercent: z
      .number()
      .openapi({ description: 'the higher of the two, which applies to the team’s price list and its next start' }),
    effectiveKind: z.enum(['volume', 'assigned']).nullable(),
    trailingSpend: Amount.openapi({
      description: 'the spending of the 30 whole UTC days before today, and of today so far',
    }),
    nextTier: z
      .object({ spend: Amount, percent: z.number() })
      .nullable()
      .openapi({ description: 'the spending for the next volume discount; null at the highest' }),
  })
  .openapi('TeamDiscount');

/** The account as a start at this second would find the account, with the team's spending. */
const readAsForStart = async (tx: Tx, settings: BillingSettings, teamId: string, second: number): Promise<Account> =>
  standingOf(await readAccount(tx, teamId, { throughSecond: second, for: 'start' }), settings, second).account;

/** The discount of the next start: as assigned, or as earned by the spending so far. */
const effectiveOf = (account: Account, settings: BillingSettings): Discount =>
  discountAt(account.discount, volumeDiscountAt(account, settings, account.asOfSecond), account.asOfSecond);

/** A team's discount at a second. */
export const discountOf = async (
  tx: Tx,
  settings: BillingSettings,
  teamId: string,
  second: number,
): Promise<Discount> => effectiveOf(await readAsForStart(tx, settings, teamId, second), settings);

const percent = (basisPoints: number): number => basisPoints / 100;

export async function readDiscount(
  tx: Tx,
  settings: BillingSettings,
  teamId: string,
  second: number,
): Promise<z.input<typeof TeamDiscount>> {
  const account = await readAsForStart(tx, settings, teamId, second);
  const { discount, spentByDay, asOfSecond } = account;
  const effective = effectiveOf(account, settings);
  const spentMicros = trailingSpendMicros(account, spentByDay ?? new Map(), asOfSecond);
  const next = nextTierOf(settings.volumeTiers, spentMicros);
  return {
    percent: percent(discount?.basisPoints ?? 0),
    until: timeOrNull(discount?.untilSecond ?? null),
    note: discount && ((await lastDiscount(tx, teamId))?.note ?? null),
    volumePercent: percent(volumeDiscountAt(account, settings, asOfSecond)),
    effectivePercent: percent(effective.basisPoints),
    effectiveKind: effective.kind,
    trailingSpend: amount(spentMicros),
    nextTier: next && { spend: amount(next.spendMicros), percent: percent(next.basisPoints) },
  };
}
