/** The parts of the API in the order in which an integration meets them. */
import { DELIVERY } from './events.ts';

export const TAGS = [
  { name: 'Teams', description: 'Owners of credit, cards and instances.' },
  { name: 'Keys', description: 'Keys of a team, with scopes. The platform key is configured and acts for all teams.' },
  { name: 'Sessions', description: 'One-time links by which people of the platform reach the dashboard.' },
  { name: 'Balance', description: 'The credit that a team can spend, to the second.' },
  { name: 'Payment methods', description: 'Saved cards. Card data is taken by Stripe and never reaches this service.' },
  { name: 'Deposits', description: 'Payments into credit by card or crypto, with receipts.' },
  { name: 'Auto top-up', description: 'Charges of a saved card when credit falls below a threshold.' },
  { name: 'Alerts', description: 'Low-balance levels, budgets by day and month, and a limit of burn.' },
  { name: 'Instances', description: 'Machines that are billed by the second from start to end.' },
  { name: 'Reservations', description: 'Capacity for instances that is paid for a term, at a lower price.' },
  { name: 'Usage', description: 'Tokens of models: holds before a request, usage events after it.' },
  { name: 'Prices', description: 'The price list, discounts, and calculations that record nothing.' },
  { name: 'Transactions', description: 'Every credit and debit of the ledger.' },
  {
    name: 'Operator',
    description: 'Calls for operators of the platform: grants, refunds, suspension, reconciliation.',
  },
  { name: 'Events', description: DELIVERY },
  { name: 'Providers', description: 'Addresses that payment providers call. Your integration does not call them.' },
  { name: 'Service', description: 'Health, metrics, and this document.' },
];

export const INTRODUCTION = `Prepaid-credit billing, exact to the second.

**Keys.** Send \`Authorization: Bearer KEY\`. The platform key may do everything; a team key acts for one team within its scopes \`read\`, \`billing\` and \`usage\`. Another team's objects are 404. A person reaches the dashboard by a one-time link, and then calls with the cookie of a session.

**Money** is a decimal string of dollars with up to six places, such as \`"2.49"\`, never a JSON number. **Times** are RFC 3339 in UTC, and whole seconds.

**Repeats.** Every \`POST\` takes an \`Idempotency-Key\`: the same key with the same body within 24 hours returns the first answer again, with \`Idempotent-Replayed: true\`. Answers of 5xx and 429 are not kept, so repeat such calls under the same key.

**Lists** answer \`{data, nextCursor}\`, newest first. Send \`nextCursor\` as \`cursor\` for the next page. \`nextCursor\` is null on the last page.

**Errors** have one shape. \`code\` is stable and listed with each operation; \`message\` is for people; \`param\` names the argument, and \`errors\` lists every fault of an invalid request. After 429 and 503, wait \`Retry-After\` seconds. Later releases may add fields to answers: ignore unknown fields.`;
