/** The text of every operation. A test fails for an operation without a text, and for a text without its operation. */
import type { OperationTexts } from '../operation-text.ts';
import { ALERTS } from './alerts.ts';
import { INSTANCES } from './instances.ts';
import { MONEY } from './money.ts';
import { PRICES } from './prices.ts';
import { SERVICE } from './service.ts';
import { SESSIONS } from './sessions.ts';
import { TEAMS } from './teams.ts';

export const OPERATIONS: OperationTexts = {
  ...TEAMS,
  ...INSTANCES,
  ...MONEY,
  ...ALERTS,
  ...PRICES,
  ...SESSIONS,
  ...SERVICE,
};
