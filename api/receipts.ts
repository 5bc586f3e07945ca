/** The receipt of a deposit, as a file. */
import { DEFAULT_ISSUER, receiptOf } from '../activities/receipts/receipt.ts';
import { BillingError } from '../billing/errors.ts';
import { type Route, route } from './route.ts';
import { PathId, TeamPath, z } from './schemas.ts';
import type { ApiWorld } from './world.ts';

export const receipts = ({ db, ledger, receiptIssuer = DEFAULT_ISSUER }: ApiWorld): Route[] => [
  route({
    method: 'get',
    path: '/v1/teams/{team}/deposits/{deposit}/receipt',
    tag: 'Deposits',
    summary: 'The receipt of a deposit that was credited, as PDF',
    who: 'read',
    params: TeamPath.extend({ deposit: PathId }),
    answer: { status: 200, schema: z.string().openapi({ format: 'binary' }), type: 'application/pdf' },
    handle: async ({ params: { team, deposit } }) => {
      const receipt = await receiptOf(db, await ledger.depositOf(team, deposit), receiptIssuer);
      if (receipt === null)
        throw new BillingError('not_found', 'no receipt: the deposit has not been credited', 'receipt');
      const { name, content } = receipt;
      return {
        status: 200,
        file: { type: 'application/pdf', name, write: async (response) => void response.end(content) },
      };
    },
  }),
];
