/**
 * A whole example of each schema in answers. The document takes the examples of all fields and answers from here, so
 * the values of one example agree.
 */
import { ALERTS, ALERTS_FIELDS } from './alerts.ts';
import { INSTANCES, INSTANCES_FIELDS } from './instances.ts';
import { MONEY, MONEY_FIELDS } from './money.ts';
import { PRICES, PRICES_FIELDS } from './prices.ts';
import { SERVICE, SERVICE_FIELDS } from './service.ts';
import { SESSIONS } from './sessions.ts';
import { TEAMS, TEAMS_FIELDS } from './teams.ts';
import type { Examples, FieldExamples } from './values.ts';

export const EXAMPLES: Examples = { ...TEAMS, ...INSTANCES, ...MONEY, ...ALERTS, ...PRICES, ...SESSIONS, ...SERVICE };

/** Examples of fields that the whole examples leave out or set to null, by schema and path. */
export const FIELD_EXAMPLES: FieldExamples = {
  ...TEAMS_FIELDS,
  ...INSTANCES_FIELDS,
  ...MONEY_FIELDS,
  ...ALERTS_FIELDS,
  ...PRICES_FIELDS,
  ...SERVICE_FIELDS,
};
