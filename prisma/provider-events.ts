/** Events of payment providers that were taken in. */
import { inOneStatement, type Tx } from './client.ts';

export interface ProviderEvent {
  id: string;
  provider: 'stripe' | 'copperx';
  type: string;
  receivedSecond: number;
}

export const wasTakenIn = async (tx: Tx, id: string): Promise<boolean> =>
  (await tx.providerEvent.count({ where: { id } })) > 0;

/** Remembers an event, after its effect: one that was cut off in between comes again and is taken in then. */
export const rememberEvent = async (tx: Tx, event: ProviderEvent): Promise<void> => {
  await inOneStatement(() => tx.providerEvent.createMany({ data: [event], skipDuplicates: true }));
};
