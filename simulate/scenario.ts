/** The scenario format of the money rules, read strictly, so a typing error is not a different bill. */
import { z } from 'zod';
import { BUDGET_ACTIONS, BUDGET_PERIODS } from '../billing/alerts.ts';
import { parseDollars } from '../billing/money.ts';

const dollars = z.string().transform((text, context) => {
  try {
    return parseDollars(text);
  } catch (error) {
    context.addIssue({ code: 'custom', message: (error as Error).message });
    return z.NEVER;
  }
});
const second = z.int().min(0).max(100_000_000);
const count = z.int().min(0).max(1_000_000_000_000);
const name = z.string().min(1).max(200);

/** Events may carry keys to be ignored, so these objects are not strict. */
const event = z.discriminatedUnion('do', [
  z.object({
    at: second,
    do: z.literal('start'),
    team: name,
    instance: name,
    hourly: dollars,
    project: name.optional(),
  }),
  z.object({ at: second, do: z.literal('stop'), instance: name }),
  z.object({ at: second, do: z.literal('deposit'), team: name, amount: dollars }),
  z.object({
    at: second,
    do: z.literal('tokens'),
    team: name,
    model: z.object({ input: dollars, output: dollars }),
    input: count,
    output: count,
    project: name.optional(),
  }),
  z.object({
    at: second,
    do: z.literal('budget'),
    team: name,
    project: name.optional(),
    period: z.enum(BUDGET_PERIODS),
    amount: dollars,
    action: z.enum(BUDGET_ACTIONS),
  }),
  z.object({
    at: second,
    do: z.literal('autoTopUp'),
    team: name,
    enabled: z.boolean().optional(),
    threshold: dollars.optional(),
    amount: dollars.optional(),
  }),
]);

const team = z.object({
  deposit: dollars.optional(),
  card: z.object({ declinesAfter: z.int().min(0).optional() }).optional(),
  autoTopUp: z.object({ threshold: dollars, amount: dollars }).optional(),
});

const SCENARIO = z
  .object({ startAt: z.iso.datetime(), until: second, teams: z.record(name, team), events: z.array(event) })
  .superRefine(({ teams, events }, context) => {
    events.forEach((given, index) => {
      if ('team' in given && !(given.team in teams))
        context.addIssue({
          code: 'custom',
          path: ['events', index, 'team'],
          message: `no team ${given.team} in teams`,
        });
    });
  });

export type Scenario = z.infer<typeof SCENARIO>;
export type ScenarioEvent = Scenario['events'][number];

/** The result of a scenario, key for key as the format defines. */
export interface ScenarioResult {
  teams: Record<
    string,
    {
      balance: string;
      owed: string;
      autoTopUp: { enabled: boolean };
      deposits: Array<{ at: number; amount: string; label: string; status: string }>;
      emails: Array<{ at: number; kind: string }>;
    }
  >;
  instances: Record<
    string,
    {
      team: string;
      status: 'active' | 'terminated';
      startedAt: number;
      endedAt?: number;
      seconds: number;
      cost: string;
      reason?: string;
    }
  >;
  refused: Array<{ at: number; instance: string; code: string }>;
  ledger: { balanced: boolean };
}

/**
 * Reads a scenario.
 * @throws Error that names each wrong place, such as `events.3.hourly: expected a decimal string of dollars`
 */
export function readScenario(json: unknown): Scenario {
  const parsed = SCENARIO.safeParse(json);
  if (parsed.success) return parsed.data;
  const problems = parsed.error.issues.map((issue) => `${issue.path.join('.') || 'scenario'}: ${issue.message}`);
  throw new Error(`The scenario cannot be read:\n  ${problems.join('\n  ')}`);
}
