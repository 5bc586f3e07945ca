/** Received events of payment providers. */
import { inOneStatement, type Tx } from './client.ts';

export interface ProviderEvent {
  id: string;
  provider: 'stripe' | 'copperx';
  type: string;
  receivedSecond: number;
}

export const wasTakenIn = async (tx: Tx, id: string): Promise<boolean> =>
  (await tx.providerEvent.count({ where: { id } })) > 0;

/** Stores an event after its effect. An event interrupted in between comes again and takes effect then. */
export const rememberEvent = async (tx: Tx, event: ProviderEvent): Promise<void> => {
  await inOneStatement(() => tx.providerEvent.createMany({ data: [event], skipDuplicates: true }));
};
