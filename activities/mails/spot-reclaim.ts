import { type About, utc } from './facts.ts';
import { compose, facts, link, type Mail, words } from './layout.ts';

/** A spot instance will be taken back: which, when, and what to do by then. */
export function spotReclaim(
  { teamName, billingUrl }: About,
  {
    instanceId,
    gpuType,
    region,
    reclaimSecond,
  }: { instanceId: string; gpuType: string; region: string; reclaimSecond: number },
): Mail {
  const at = utc(reclaimSecond);
  return compose(`Spot instance ${instanceId} will be reclaimed`, teamName, [
    words(
      `The capacity of spot instance ${instanceId} is needed back. It ends at ${at}, and is charged to that second and no further.`,
    ),
    facts(['Instance', instanceId], ['GPU', gpuType], ['Region', region], ['Ends', at]),
    words('Save what you need from it by then. You can start another one, on-demand instances are not reclaimed.'),
    link('Instances and credit', billingUrl),
  ]);
}
