import { type BudgetTerms, budgetAmount, budgetInWords } from '../../billing/alerts.ts';
import { formatForPeople, type Micros } from '../../billing/money.ts';
import { button, facts, words } from './blocks.ts';
import { type About, creditRows, type Runway, utc } from './facts.ts';
import { compose, type Mail } from './layout.ts';

export interface BudgetFacts extends BudgetTerms {
  metSecond: number;
  spentMicros: Micros;
  /** The first second of the next period. */
  periodEndSecond: number;
  /** The number of instances that the budget has ended. */
  endedCount: number;
}

/** The effect of the action, in a sentence. */
function effectInWords({ action, project, endedCount, metSecond, periodEndSecond }: BudgetFacts): string {
  const scope = project === null ? 'the team' : `project ${project}`;
  const until = `before ${utc(periodEndSecond)}, unless you raise the budget`;
  if (action === 'mail') return 'Nothing was stopped, and new instances can start.';
  if (action === 'refuse') return `Running instances continue. No instance of ${scope} starts ${until}.`;
  const stopped = endedCount === 1 ? '1 instance was' : `${endedCount} instances were`;
  return `${stopped} stopped at ${utc(metSecond)}. No instance of ${scope} starts ${until}.`;
}

/** A budget was met, once an episode: the spend, the effect, and the end of the period. */
export function budgetMet(about: About, budget: BudgetFacts, runway: Runway): Mail {
  const name = budgetInWords(budget);
  return compose(`${name.replace(/^the /, '').replace(/^./, (letter) => letter.toUpperCase())} is met`, about, [
    words(
      `${about.teamName} met ${name}, ${budgetAmount(budget)}, at ${utc(budget.metSecond)}. ${effectInWords(budget)}`,
    ),
    facts(
      ['Budget', budgetAmount(budget)],
      ['Spent', formatForPeople(budget.spentMicros)],
      [budget.period === 'day' ? 'Next day' : 'Next month', utc(budget.periodEndSecond)],
      ...creditRows(runway),
    ),
    button('See spending and budgets', about.billingUrl),
  ]);
}
