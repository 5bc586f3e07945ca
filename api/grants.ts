/** Credit that an operator gives. */
import { BillingError } from '../billing/errors.ts';
import { micros } from '../billing/money.ts';
import { formatSecond } from '../billing/time.ts';
import { isUniqueViolation } from '../prisma/client.ts';
import { findGrant } from '../prisma/grants.ts';
import { newId } from './calls.ts';
import { type Route, route } from './route.ts';
import { Amount, amount, Dollars, TeamPath, Time, text, z } from './schemas.ts';
import type { Wakes } from './wakes.ts';
import type { ApiWorld } from './world.ts';

const MAX_GRANT_MICROS = micros(1_000_000_000_000);

const Grant = z.object({ id: z.string(), at: Time, amount: Amount, note: z.string() }).openapi('Grant');

export const grants = ({ db, ledger }: ApiWorld, wake: Wakes): Route[] => [
  route({
    method: 'post',
    path: '/v1/teams/{team}/grants',
    tag: 'Operator',
    summary: 'Give a team credit that nobody paid for',
    who: 'platform',
    params: TeamPath,
    body: z.object({ amount: Dollars, note: text(500) }),
    answer: { status: 201, schema: Grant },
    fails: ['amount_out_of_range'],
    handle: async ({ params: { team: teamId }, body: { amount: amountMicros, note }, call }) => {
      if (amountMicros <= 0 || amountMicros > MAX_GRANT_MICROS)
        throw new BillingError('amount_out_of_range', 'amount must be above $0 and not above $1,000,000', 'amount');
      const grantId = newId(call, 'grant');
      const given = { teamId, grantId, amountMicros, note, nowSecond: call.receivedSecond };
      const second = await ledger.grant(given, call.requestId).catch(async (error) => {
        // A call under an Idempotency-Key that was cut off after its work, and now comes again.
        const earlier = isUniqueViolation(error) ? await findGrant(db, grantId) : null;
        if (!earlier) throw error;
        return earlier.second;
      });
      await wake({ what: 'watch', id: teamId });
      return { status: 201, body: { id: grantId, at: formatSecond(second), amount: amount(amountMicros), note } };
    },
  }),
];
