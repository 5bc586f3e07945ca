/** The JSON form of a warning. */
import { z } from '../http/schemas.ts';

export const Warning = z
  .object({
    code: z.enum(['threshold_too_low', 'amount_too_small', 'insufficient_credit', 'team_suspended', 'team_archived']),
    message: z.string().openapi({ description: 'the problem in a sentence, with values that avoid the problem' }),
  })
  .openapi('Warning');
