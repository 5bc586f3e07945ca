/** Low-balance levels, budgets, and the limit of burn. */
import type { OperationTexts } from '../operation-text.ts';

export const ALERTS: OperationTexts = {
  'post /v1/teams/{team}/forecast': {
    description: `Follows the credit of a team from now to \`until\`, by the arithmetic that bills it, and answers each crossing with its second and the balance afterwards: charges of the card, low-balance levels, budgets, new rates, ends of reservations, and the end of credit. Nothing is recorded.

The changes of the body are made at the second of the call: instances of \`stop\` end, \`deposit\` arrives, \`autoTopUp\` replaces the policy, and the instances of \`start\` start. Each charge of the card succeeds in its second; with \`cardFails\`, the next charge fails and switches the policy off. If a start would be refused now, \`warnings\` says why, and the forecast goes on as if it were not.

An answer has at most 2,000 crossings; \`until\` of the answer is then earlier than asked for.`,
    requests: {
      more: {
        summary: 'Two more instances, and a failing card',
        value: {
          start: [{ gpuType: 'h100-80gb', region: 'eu-west-1', pricing: 'on_demand', count: 2 }],
          stop: ['train-1'],
          cardFails: true,
        },
      },
      deposit: {
        summary: 'Deposit $100, until the end of March',
        value: { deposit: '100.00', until: '2027-03-31T23:59:59Z' },
      },
    },
  },
  'get /v1/teams/{team}/alerts': {
    description: `Returns the alerts of a team. \`spend\` of a budget is the cost of the scope's instances and tokens since the start of the UTC day or month, to the second of the call; for the whole team, the cost of its reservations is included.

\`metAt\` is the second at which the budget was met or, at the present burn, will be met in this period. For \`stop\`, \`metAt\` is the last second within the budget; for \`refuse\` and \`mail\`, the first second above it. Send \`version\` with a change.`,
  },
  'put /v1/teams/{team}/alerts': {
    description: `Replaces the alerts of a team. A field that is left out is cleared; without \`lowBalance\`, the level of the deployment applies.

- \`lowBalance\`: a mail and the event \`balance.low\` when \`available\` falls below a level, once until credit is a tenth above the level again. If a call leads below several levels at once, one mail names the lowest. No mail is sent while auto top-up can still charge.
- \`budgets\`: a limit of spending for the team or for one \`project\`, by UTC day or UTC month. Every budget sends a mail and the event \`budget.met\`, once in each period. With \`refuse\`, starts, reservations and holds of the scope are 402 \`budget_met\` until the period ends. With \`stop\`, the instances of the scope also end, at the last second within the budget, with the reason \`budget\`. Reservations run on. Of equal budgets, one is kept. A changed amount begins again: spend counts from the start of the period, so the budget may be met at once.
- \`burnPerHourLimit\`: a start or a reservation after which the burn of the team would be above the limit is 402 \`burn_limit\`. A new price that lifts the burn above the limit only sends a mail.

409 \`version_conflict\` if somebody else has changed the alerts since \`version\` was read. Without \`version\`, the last writer wins.`,
    requests: {
      project: {
        summary: 'Stop a project at $40 a day',
        value: {
          lowBalance: ['25.00', '10.00'],
          budgets: [{ project: 'train', period: 'day', amount: '40.00', action: 'stop' }],
          burnPerHourLimit: '20.00',
          version: 0,
        },
      },
      team: {
        summary: 'A mail at $1,000 a month',
        value: { budgets: [{ period: 'month', amount: '1000.00', action: 'mail' }] },
      },
    },
  },
};
