/** The JSON form of a warning. */
import { z } from '../http/schemas.ts';

export const Warning = z
  .object({
    code: z.enum([
      ...(['threshold_too_low', 'amount_too_small', 'insufficient_credit', 'budget_met', 'burn_limit'] as const),
      ...(['team_suspended', 'team_archived'] as const),
    ]),
    message: z.string().openapi({ description: 'the problem in a sentence, with values that avoid the problem' }),
  })
  .openapi('Warning');
