/** Instances and the order in which they end. */
import type { OperationTexts } from '../operation-text.ts';

const START = { id: 'train-1', team: 'acme', gpuType: 'h100-80gb', region: 'eu-west-1', pricing: 'on_demand' };

export const INSTANCES: OperationTexts = {
  'post /v1/instances': {
    description: `Starts billing an instance. Call it when the machine is handed to the team. The instance is charged for each second from \`startedAt\` on.

**Price.** Without \`hourly\` the price is that of the price list less the team's discount, fixed at the start. With \`hourly\` the given price is charged as it is, and \`gpuType\` and \`region\` are free text.

**Repeats.** The same \`id\` with the same fields returns the same instance, so a call without an answer can be repeated. The same \`id\` with other fields is 409 \`id_taken\`.

**Refusals.** 402 \`insufficient_credit\` when the team has less than the minimum for a start: no instance is created and the id stays free. 422 \`price_not_found\` when the price list has no such GPU type in that region. After 503 nothing was started and nothing will be, unless the code is \`outcome_unknown\`: then repeat the call.`,
    requests: {
      listed: { summary: 'At the listed price', value: START },
      given: {
        summary: 'At a price that the platform sets',
        value: { ...START, id: 'train-2', project: 'vision', hourly: '2.49' },
      },
    },
  },
  'get /v1/instances/{id}': {
    description: `Returns an instance with its segments. \`cost\` and \`seconds\` of a running instance are live: they are calculated for the second of the call. An instance whose credit has run out reads as ended at that second.`,
  },
  'get /v1/instances': {
    description: `Lists instances, newest first. The filters combine. A team key sees its own team only; the platform key sees all teams unless \`team\` is given.`,
  },
  'post /v1/instances/{id}/stop': {
    description: `Ends an instance and returns its final receipt. The cost never changes afterwards. The call does not wait for the machine.

\`at\` may name an earlier second, back to the start: what was charged beyond it comes back as a correcting transfer. A stop of an instance that has ended changes nothing and returns the same receipt, whatever ended it; see \`reason\`.`,
    requests: {
      now: { summary: 'Now', value: {} },
      reclaimed: { summary: 'A spot instance that was taken back', value: { reason: 'spot_reclaimed' } },
    },
  },
  'post /v1/instances/{id}/resume': {
    description: `Starts a new instance with the configuration of one that has ended, at today's price. The new instance has an id of its own, and names the old one in \`resumedFrom\`.

Send \`id\` to make a repeat safe: the same \`id\` returns the same instance. While an instance that was resumed from the same one is running, another resume is 409 \`instance_active\`, and \`instance\` names it.`,
    requests: { named: { summary: 'With an id of yours', value: { id: 'train-1b' } } },
  },
  'post /v1/instances/{id}/reclaim': {
    description: `Announces when a spot instance is taken back. The team gets a mail, and the instance ends at that second by itself with the reason \`spot_reclaimed\`.

Without \`at\` the instance ends in 120 seconds. A second call replaces the announced second. 409 \`not_spot\` for other instances.`,
    requests: { usual: { summary: 'In 120 seconds', value: {} } },
  },
  'post /v1/instances/{id}/reprice': {
    description: `Changes the price of a running instance. The current segment ends and the next begins at the same second, so that the cost stays exact.

\`at\` may name an earlier second, not before the team's last recorded fact. After 503 the price was not changed, unless the code is \`outcome_unknown\`.`,
    requests: { price: { summary: 'Another price from now on', value: { hourly: '2.10' } } },
  },
  'get /v1/teams/{team}/shedding': {
    description: `Returns the order in which running instances end when the team's credit does. Instances outside the list end last, together.`,
  },
  'put /v1/teams/{team}/shedding': {
    description: `Sets the order in which running instances end when credit does: the first of the list ends first, which keeps the rest running longer. The list replaces the one before; an empty list ends all at once. An instance that is not running is 404.`,
    requests: { order: { summary: 'One instance first', value: { order: ['train-1'] } } },
  },
};
