/** Prices, discounts, quotes, reservations, usage of models, and reconciliation. */
import type { OperationTexts } from '../operation-text.ts';

export const PRICES: OperationTexts = {
  'put /v1/teams/{team}/discount': {
    description: `Assigns a discount to a team. The higher of the assigned and the volume discount applies, never both. Running instances at a list price get the new discount from this second on. \`percent: 0\` removes the discount. With \`until\`, the discount ends at that time.

After 503 the discount was not changed, unless the code is \`outcome_unknown\`. The same call again changes nothing.`,
    requests: { launch: { summary: 'A launch discount', value: { percent: 7.5, note: 'launch partner' } } },
  },
  'get /v1/teams/{team}/discount': {
    description: `Returns the assigned discount, the volume discount, the discount that applies, and the spending for the next volume discount.`,
  },
  'get /v1/prices': {
    description: `Lists the present prices of GPUs per hour. With \`team\`, or with a team's key, each row also has that team's own prices, which apply to its next start. The filters can be combined.`,
  },
  'put /v1/prices/{gpuType}/{region}': {
    description: `Sets the list price of a GPU type in a region, from now or from \`effectiveFrom\` on. A name that is not listed yet is added. Running spot instances get the new spot price at that second. Running on-demand instances keep their price.

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
    description: `Removes a GPU type in a region from the price list, with all future prices. Running instances continue at their price. A later \`PUT\` lists the GPU type again.`,
  },
  'get /v1/prices/{gpuType}/{region}/history': {
    description: `Lists past, present and future prices of a GPU type in a region, each with the caller who set it.`,
  },
  'get /v1/models': { description: `Lists the models with their prices in dollars per million tokens.` },
  'put /v1/models/{model}': {
    description: `Sets the prices of a model per million input and output tokens, from now or from \`effectiveFrom\` on. Usage of earlier seconds keeps its price. Write a slash in a name as \`%2F\`.`,
    requests: { price: { summary: 'From now on', value: { input: '0.25', output: '0.75' } } },
  },
  'delete /v1/models/{model}': {
    description: `Removes a model from the price list. Usage of earlier seconds is still charged at its price.`,
  },
  'post /v1/quote': {
    description: `Calculates the price of \`count\` further instances, and the runway if they started now. Nothing is recorded. Show the quote before a start.

\`warnings\` say if auto top-up could not keep up. Only the platform key may send \`hourly\` in place of the list price.`,
    requests: {
      two: {
        summary: 'Two more instances',
        value: { team: 'acme', gpuType: 'h100-80gb', region: 'eu-west-1', pricing: 'on_demand', count: 2 },
      },
    },
  },
  'post /v1/calculator': {
    description: `Calculates the cost of requests to a model here, and at another provider by its public price of a given day. Nothing is recorded.`,
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
    description: `Lists the public prices of other providers for the calculator, each with its source and day.`,
  },
  'post /v1/holds': {
    description: `Reserves credit for the highest possible cost of a request to a model, so that its usage never becomes \`owed\`. Call it before you serve the request. The usage event that names the hold settles the hold and releases the rest.

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
    description: `Releases a hold before it expires, for a request that was not served. The same call again returns the same answer. A hold that was settled or has expired is 409 \`hold_closed\`.`,
    requests: { empty: { summary: 'No fields', value: {} } },
  },
  'get /v1/holds/{hold}': {
    description: `Returns a hold. Its status is \`expired\` from the second \`expiresAt\` on.`,
  },
  'get /v1/teams/{team}/usage': {
    description: `Returns sums of a team's usage in \`[from, to)\`, one for each group. Send \`by\` once or twice: \`by=day&by=gpuType\`. Hours, days and months are those of \`timeZone\`, a name of the IANA database. The groups are disjoint and add up to \`total\`.

- **Instances and reservations** cost \`cost(min(end, to)) − cost(max(start, from))\`, whether or not the cost is posted yet. A running one counts through the second of the call.
- **Tokens** count what each event posted, at the second of its posting.
- A value is null where usage has none: tokens have no \`gpuType\`, an instance has no \`model\`. An instance that a reservation covers has the \`reservation\` and costs nothing.
- \`hour\` is the first second of the hour in local time, with its offset, so the hour that comes twice in autumn is two groups.

\`filter\` has the parameters of \`GET /v1/teams/{team}/transactions\` for the rows that the ledger posted in the group's time; an empty parameter means no value. The cost of a group may be posted later than its time. What a stop with an earlier \`at\` gave back is listed there with \`code=instance_correction\`. 422 \`too_many_groups\` above 10,000 groups.`,
  },
  'get /v1/teams/{team}/summary': {
    description: `Returns the figures at the heads of a team's pages: the number of its instances of all time and of this UTC month, and the fields of its balance.`,
  },
  'get /v1/teams/{team}/holds': { description: `Lists the holds of a team, newest first.` },
  'post /v1/usage': {
    description: `Reports the tokens that requests to models used, up to 1,000 events per call. Each event is charged at the price in force at its \`at\`, or now.

**Each event has its own result**, in the order of the call: \`accepted\`, \`duplicate\` (the same event again, charged once), \`conflict\` (another event under that id) or \`invalid\`. The status of the call is 200 for every combination of results.

**Repeats.** An event id is accepted once per team. After 503, or without an answer, send the same call again.`,
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
    description: `Reserves capacity for \`count\` instances of a GPU type in a region for a term, at the reserved price. The term begins now and is charged whether it is used or not. Covered instances cost nothing while they are covered. Running instances are covered at once.

The same \`id\` with the same fields returns the same reservation. With \`renew\`, another term begins at the end of the term, at the price in force then. 402 and 422 have the same meaning as for a start.`,
    requests: {
      quarter: {
        summary: 'One instance for three months',
        value: { id: 'r1', team: 'acme', gpuType: 'h100-80gb', region: 'eu-west-1', count: 1, term: '3m' },
      },
    },
  },
  'get /v1/reservations/{id}': {
    description: `Returns a reservation with its terms and its covered instances. The cost is calculated for the second of the call.`,
  },
  'get /v1/reservations': { description: `Lists reservations, newest first. The filters can be combined.` },
  'patch /v1/reservations/{id}': {
    description: `Sets whether another term follows the current one. The setting can be changed until the term ends; 409 \`reservation_ended\` afterwards. The same call again changes nothing.`,
    requests: { renew: { summary: 'Renew', value: { renew: true } } },
  },
  'get /v1/audit/{id}': {
    description: `Returns where an object comes from (\`causes\`) and what it led to (\`effects\`). \`id\` is the id of a transaction, a deposit, an instance, a notice or a workflow, or of a refund, a dispute, a reservation or a grant; write \`%2F\` for each slash. The id of each link can be sent to this call, except the id of a request.

For a transaction, \`explanation\` has the segments of the instance with their rates and reasons, or the token events with their prices; the formula with the numbers put in, in micro-dollars; and the second of the posting. \`workflow\` is the workflow that wrote the row. If a call wrote the row, \`workflow\` drives the object of the row, and \`causes\` has the id of the request.

A reference of a transaction is accepted too. At most the newest 100 transactions are listed; \`hasMore\` is true where there are more.`,
  },
  'get /v1/reconciliation': {
    description: `Compares a day of the ledger with the books of Stripe and CopperX, row by row. Each difference has its meaning and its remedy. For a day that was compared before, the kept report is returned.`,
  },
};
