import { button, facts, words } from './blocks.ts';
import { type About, utc } from './facts.ts';
import { compose, type Mail } from './layout.ts';

/** A spot instance will be taken back: its name, the time, and the steps to take before. */
export function spotReclaim(
  about: About,
  {
    instanceId,
    gpuType,
    region,
    reclaimSecond,
  }: { instanceId: string; gpuType: string; region: string; reclaimSecond: number },
): Mail {
  const at = utc(reclaimSecond);
  return compose(`Spot instance ${instanceId} will be reclaimed`, about, [
    words(
      `Spot instance ${instanceId} of ${about.teamName} will be taken back. The instance ends at ${at}, and is charged to that second and no further.`,
    ),
    facts(['Instance', instanceId], ['GPU', gpuType], ['Region', region], ['Ends', at]),
    words(
      'Save what you need from the instance before then. You can start another instance; on-demand instances are not reclaimed.',
    ),
    button('Instances and credit', about.billingUrl),
  ]);
}
