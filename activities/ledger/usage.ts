/** Token usage: a fact about the past, charged exactly, never dropped. */
import { createHash } from 'node:crypto';
import { advance, recordUsage } from '../../billing/facts.ts';
import { type ModelPrice, tokensCost } from '../../billing/tokens.ts';
import { recordFact } from '../../prisma/record.ts';
import { findUsageEvent, insertUsageEvent } from '../../prisma/usage-events.ts';
import type { LedgerWorld } from '../world.ts';

export interface UsageEvent {
  teamId: string;
  eventId: string;
  model: string;
  price: ModelPrice;
  inputTokens: number;
  outputTokens: number;
  project: string | null;
  receivedSecond: number;
}

const bodyHash = ({ model, inputTokens, outputTokens, project }: UsageEvent) =>
  createHash('sha256')
    .update(JSON.stringify([model, inputTokens, outputTokens, project]))
    .digest('hex');

export const usageActs = ({ db, terms }: LedgerWorld) => ({
  /** Accepts a usage event once: the same id and body again is a duplicate, another body a conflict. */
  recordUsage: (event: UsageEvent, causedBy: string) =>
    recordFact<'accepted' | 'duplicate' | 'conflict'>(
      db,
      { teamId: event.teamId, causedBy, throughSecond: event.receivedSecond },
      async (account, tx) => {
        const hash = bodyHash(event);
        const known = await findUsageEvent(tx, event.teamId, event.eventId);
        if (known) {
          const status: 'duplicate' | 'conflict' = known.bodyHash === hash ? 'duplicate' : 'conflict';
          return { outcome: advance(account, terms, event.receivedSecond), answer: async () => status };
        }
        const cost = tokensCost(event.price, event.inputTokens, event.outputTokens);
        const outcome = recordUsage(account, terms, { eventId: event.eventId, cost }, event.receivedSecond);
        const { teamId, eventId, model, project, inputTokens, outputTokens } = event;
        const second = outcome.account.asOfSecond;
        await insertUsageEvent(tx, {
          teamId,
          eventId,
          bodyHash: hash,
          model,
          project,
          inputTokens,
          outputTokens,
          cost,
          second,
        });
        return { outcome, answer: async () => 'accepted' as const };
      },
    ),
});
