/** Instances and the order in which they end. */
import type { OperationTexts } from '../operation-text.ts';

const START = { id: 'train-1', team: 'acme', gpuType: 'h100-80gb', region: 'eu-west-1', pricing: 'on_demand' };

export const INSTANCES: OperationTexts = {
  'post /v1/instances': {
    description: `Starts billing an instance. Call it when the machine is handed to the team. The instance is charged for each second from \`startedAt\` on.

**Price.** Without \`hourly\`, the price is the list price less the team's discount, fixed at the start. With \`hourly\`, the given price is charged without a discount, and \`gpuType\` and \`region\` are free text.

**Repeats.** The same \`id\` with the same fields returns the same instance, so a call without an answer can be repeated. The same \`id\` with other fields is 409 \`id_taken\`.

**Refusals.** 402 \`insufficient_credit\` if the team has less credit than the minimum for a start: no instance is created, and the id stays free. 422 \`price_not_found\` if the price list has no such GPU type in that region. After 503, the call has no effect, now or later, unless the code is \`outcome_unknown\`: then repeat the call.`,
    requests: {
      listed: { summary: 'At the listed price', value: START },
      given: {
        summary: 'At a price that the platform sets',
        value: { ...START, id: 'train-2', project: 'vision', hourly: '2.49' },
      },
    },
  },
  'get /v1/instances/{id}': {
    description: `Returns an instance with its segments. \`cost\` and \`seconds\` of a running instance are calculated for the second of the call. If the team's credit has run out, the instance is shown as ended at the last paid second.`,
  },
  'get /v1/instances': {
    description: `Lists instances, newest first. The filters can be combined. A team key sees only its own team. The platform key sees all teams unless \`team\` is given.`,
  },
  'post /v1/instances/{id}/stop': {
    description: `Ends an instance and returns its final receipt. The cost never changes afterwards. The call does not wait for the machine.

\`at\` may name an earlier second, back to the start. A correcting transfer then returns the amount that was charged after that second. A stop of an ended instance changes nothing and returns the same receipt, for every \`reason\` of the end.`,
    requests: {
      now: { summary: 'Now', value: {} },
      reclaimed: { summary: 'A reclaimed spot instance', value: { reason: 'spot_reclaimed' } },
    },
  },
  'post /v1/instances/{id}/resume': {
    description: `Starts a new instance with the configuration of one that has ended, at today's price. The new instance has an id of its own, and names the old one in \`resumedFrom\`.

Send \`id\` to make a repeat safe: the same \`id\` returns the same instance. While an instance that was resumed from the same one is running, another resume is 409 \`instance_active\`. \`instance\` then names the running instance.`,
    requests: { named: { summary: 'With an id of yours', value: { id: 'train-1b' } } },
  },
  'post /v1/instances/{id}/reclaim': {
    description: `Announces the second at which the platform reclaims a spot instance. The team gets a mail, and the instance ends automatically at that second with the reason \`spot_reclaimed\`.

Without \`at\`, the instance ends in 120 seconds. A second call replaces the announced second. 409 \`not_spot\` for other instances.`,
    requests: { usual: { summary: 'In 120 seconds', value: {} } },
  },
  'post /v1/instances/{id}/reprice': {
    description: `Changes the price of a running instance. The current segment ends and the next begins at the same second, so that the cost stays exact.

\`at\` may name an earlier second, but not before the team's last recorded change. After 503 the price was not changed, unless the code is \`outcome_unknown\`.`,
    requests: { price: { summary: 'Another price from now on', value: { hourly: '2.10' } } },
  },
  'get /v1/teams/{team}/shedding': {
    description: `Returns the order in which running instances end when the team's credit runs out. Instances outside the list end last, together.`,
  },
  'put /v1/teams/{team}/shedding': {
    description: `Sets the order in which running instances end when the team's credit runs out. The first instance of the list ends first, so that the others run longer. The list replaces the previous list. With an empty list, all instances end together. An instance that is not running is 404.`,
    requests: { order: { summary: 'One instance first', value: { order: ['train-1'] } } },
  },
};
