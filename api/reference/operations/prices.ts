/** Prices, discounts, quotes, reservations, usage of models, and reconciliation. */
import type { OperationTexts } from '../operation-text.ts';

export const PRICES: OperationTexts = {
  'put /v1/teams/{team}/discount': {
    description: `Assigns a discount to a team. The higher of it and the volume discount applies, never both. Running instances at a list price move to it at this second. \`percent: 0\` removes it. \`until\` ends it by itself.

After 503 the discount was not changed, unless the code is \`outcome_unknown\`. The same call again changes nothing.`,
    requests: { launch: { summary: 'A launch discount', value: { percent: 7.5, note: 'launch partner' } } },
  },
  'get /v1/teams/{team}/discount': {
    description: `Returns the assigned and the earned discount, the one that applies, and the spending that would earn more.`,
  },
  'get /v1/prices': {
    description: `Lists what GPUs cost per hour now. With \`team\`, or with a team's key, each row also has that team's own prices, which its next start is charged. The filters combine.`,
  },
  'put /v1/prices/{gpuType}/{region}': {
    description: `Sets the list price of a GPU type in a region, from now or from \`effectiveFrom\` on. A name that is not listed yet is added. Spot instances that run move to the new spot price at that second; on-demand instances keep theirs.

Each reserved price must be 30 to 50 % below \`onDemand\`, and \`spot\` not above it.`,
    requests: {
      price: {
        summary: 'From now on',
        value: {
          onDemand: '2.49',
          spot: '1.25',
          reserved: { '1m': '1.74', '3m': '1.57', '6m': '1.42', '12m': '1.25' },
        },
      },
    },
  },
  'delete /v1/prices/{gpuType}/{region}': {
    description: `Takes a GPU type in a region off the price list, with all prices to come. Running instances go on at their price. A later \`PUT\` lists it again.`,
  },
  'get /v1/prices/{gpuType}/{region}/history': {
    description: `Lists every price of a GPU type in a region with who set it, prices to come included.`,
  },
  'get /v1/models': { description: `Lists the models with their prices in dollars per million tokens.` },
  'put /v1/models/{model}': {
    description: `Sets what a million input and output tokens of a model cost, from now or from \`effectiveFrom\` on. Usage of earlier seconds keeps its price. Write a slash in a name as \`%2F\`.`,
    requests: { price: { summary: 'From now on', value: { input: '0.25', output: '0.75' } } },
  },
  'delete /v1/models/{model}': {
    description: `Takes a model off the price list. Usage of earlier seconds is still charged at its price.`,
  },
  'post /v1/quote': {
    description: `Calculates the price of \`count\` further instances and what starting them now would do to the runway. Nothing is recorded. Show it before a start.

\`warnings\` tell when auto top-up could not keep up. \`hourly\` instead of the list price is for the platform key alone.`,
    requests: {
      two: {
        summary: 'Two more instances',
        value: { team: 'acme', gpuType: 'h100-80gb', region: 'eu-west-1', pricing: 'on_demand', count: 2 },
      },
    },
  },
  'post /v1/calculator': {
    description: `Calculates what requests to a model cost here, beside what they would cost at another provider by its public price of a given day. Nothing is recorded.`,
    requests: {
      chat: {
        summary: 'A chat of a thousand requests a month',
        value: {
          inputTokens: 1200,
          outputTokens: 300,
          perMonth: 1000,
          model: 'llama-3.3-70b-instruct',
          compareWith: 'gpt-4o-mini',
        },
      },
    },
  },
  'get /v1/calculator/models': {
    description: `Lists the public prices of other providers that the calculator compares with, each with its source and day.`,
  },
  'post /v1/holds': {
    description: `Sets the most that a request to a model can cost aside, so that its usage never becomes \`owed\`. Call it before you serve the request; the usage event that names the hold settles it and frees the rest.

A hold that is not settled expires after \`ttlSeconds\`. 402 \`insufficient_credit\` means: do not serve the request. Send an \`Idempotency-Key\` to make a repeat safe.`,
    requests: {
      request: {
        summary: 'A request of a chat',
        value: {
          team: 'acme',
          model: 'llama-3.3-70b-instruct',
          maxInputTokens: 8000,
          maxOutputTokens: 2000,
          ttlSeconds: 120,
        },
      },
    },
  },
  'post /v1/holds/{hold}/void': {
    description: `Frees a hold before it expires, for a request that was not served. The same call again returns the same answer. A hold that was settled or has expired is 409 \`hold_closed\`.`,
    requests: { empty: { summary: 'No fields', value: {} } },
  },
  'get /v1/holds/{hold}': {
    description: `Returns a hold. It reads as \`expired\` from its second on.`,
  },
  'get /v1/teams/{team}/holds': { description: `Lists the holds of a team, newest first.` },
  'post /v1/usage': {
    description: `Reports what requests to models used, up to 1,000 events a call. Each event is charged at the price in force at its \`at\`, or now.

**Each event is answered for itself**, in the order of the call: \`accepted\`, \`duplicate\` (the same event again, charged once), \`conflict\` (another event under that id) or \`invalid\`. The call is 200 whatever the events are.

**Repeats.** An event id is accepted once per team, so a call without an answer is sent again as it is. After 503 send it again.`,
    requests: {
      event: {
        summary: 'One event',
        value: {
          events: [{ id: 'e1', team: 'acme', model: 'llama-3.3-70b-instruct', inputTokens: 5000, outputTokens: 500 }],
        },
      },
    },
  },
  'post /v1/reservations': {
    description: `Reserves \`count\` instances of a GPU type in a region for a term, at the reserved price. The term begins now and is charged whether it is used or not. Instances that it covers cost nothing while they are covered; those that run are covered at once.

The same \`id\` with the same fields returns the same reservation. \`renew\` begins another term at the end, at the price in force then. 402 and 422 as for a start.`,
    requests: {
      quarter: {
        summary: 'One instance for three months',
        value: { id: 'r1', team: 'acme', gpuType: 'h100-80gb', region: 'eu-west-1', count: 1, term: '3m' },
      },
    },
  },
  'get /v1/reservations/{id}': {
    description: `Returns a reservation with its terms and the instances that it covers now. Its cost is live.`,
  },
  'get /v1/reservations': { description: `Lists reservations, newest first. The filters combine.` },
  'patch /v1/reservations/{id}': {
    description: `Sets whether another term follows the current one. It may be changed until the term ends; 409 \`reservation_ended\` afterwards. The same call again changes nothing.`,
    requests: { renew: { summary: 'Renew', value: { renew: true } } },
  },
  'get /v1/reconciliation': {
    description: `Compares a day of the ledger with the books of Stripe and CopperX, row by row. Each difference has a sentence on what it means and what to do. A day that was compared before is returned as it was found then.`,
  },
};
