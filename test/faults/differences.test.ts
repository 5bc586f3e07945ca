/** Tests that the comparison of the fault matrix finds each kind of difference. */
import { createHash } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import type { Message } from '../../embedded/mail/inbox.ts';
import type { Case } from '../../simulate/faults/cases.ts';
import { differencesOf } from '../../simulate/faults/differences.ts';
import type { Moved } from '../../simulate/faults/kind.ts';
import { savedCard } from '../../simulate/faults/kinds/saved-card.ts';
import type { Site } from '../../simulate/faults/site.ts';
import type { TeamRows } from '../../simulate/faults/team-rows.ts';

const TEAM = { id: 't1', email: 't1@faults.example', card: 'pm_1' };
const NOTICE = { id: 'deposit_receipt/dep_1', kind: 'deposit_receipt', channel: 'mail', isSent: true };
const RIGHT: TeamRows = {
  postedMicros: 20_000_000,
  owedMicros: 0,
  attemptDepositId: null,
  deposits: [{ id: 'dep_1', label: 'Deposit', status: 'succeeded', amountMicros: 20_000_000, checkoutUrl: null }],
  refunds: [],
  transfers: [{ code: 'deposit', micros: 20_000_000, depositId: 'dep_1' }],
  notices: [NOTICE],
};
const TAKEN: Moved = { depositId: 'dep_1', amountMicros: 20_000_000 };
const HASH = createHash('sha256').update(NOTICE.id).digest('hex').slice(0, 32);

const mail = (hash = HASH, to = TEAM.email): Message => ({
  id: 'm',
  at: '2026-01-01T00:00:00.000Z',
  from: 'billing@burnrate.example',
  to: [to],
  subject: 'Receipt for your deposit',
  text: '',
  html: '',
  headers: [{ name: 'Message-ID', value: `<${hash}@burnrate.example>` }],
  attachments: [],
  raw: '',
});

interface Made {
  books?: Partial<TeamRows>;
  moved?: Moved[];
  mails?: Message[];
  at?: Partial<Case>;
}

function found({ books = {}, moved = [TAKEN], mails = [mail()], at = {} }: Made): Promise<string[]> {
  const site = { rows: { of: async () => ({ ...RIGHT, ...books }) }, inbox: { messages: () => mails } };
  const kind = { ...savedCard, moved: () => moved };
  return differencesOf(site as unknown as Site, TEAM, { kind, step: 'during', fault: 'dropped', ...at });
}

describe('the comparison', () => {
  it('finds no difference in correct books, and ignores mails to others', async () => {
    expect(await found({ mails: [mail(), mail('other', 't2@faults.example')] })).toEqual([]);
  });

  const made: [string, Made, RegExp][] = [
    ['a payment charged twice', { moved: [TAKEN, TAKEN] }, /the provider’s payments: .*; .*, and must be/],
    ['a deposit without a payment', { moved: [] }, /the provider’s payments: none/],
    ['a payment without a deposit', { books: { deposits: [], transfers: [], postedMicros: 0 } }, /must be: none/],
    ['a payment of another amount', { moved: [{ ...TAKEN, amountMicros: 1 }] }, /the provider’s payments: 1 for dep_1/],
    ['a payment for another deposit', { moved: [{ ...TAKEN, depositId: 'dep_2' }] }, /for dep_2/],
    [
      'a payment that went back at the provider alone',
      { moved: [TAKEN, { ...TAKEN, amountMicros: -1 }] },
      /-1 for dep_1/,
    ],
    [
      'a refund of which the provider knows nothing',
      {
        books: {
          refunds: [{ id: 'ref_1', status: 'succeeded', amountMicros: 1 }],
          transfers: [...RIGHT.transfers, { code: 'refund', micros: -1, depositId: 'dep_1' }],
        },
      },
      /must be: -1 for dep_1/,
    ],
    [
      'a deposit credited twice',
      { books: { transfers: [...RIGHT.transfers, ...RIGHT.transfers], postedMicros: 40_000_000 } },
      /the balance: 40000000/,
    ],
    [
      'a deposit that says that it failed',
      { books: { deposits: [{ ...RIGHT.deposits[0]!, status: 'failed' }] } },
      /the ledger’s deposits: .* failed/,
    ],
    ['credit that no row explains', { books: { postedMicros: 20_000_001 } }, /the balance: 20000001/],
    ['a mail that did not come', { mails: [] }, /the mails: none/],
    ['a mail too many', { mails: [mail(), mail('another')] }, /the mails: .*another/],
    ['a mail about something else', { mails: [mail('another')] }, /the mails: <another@/],
    ['a mail again that was not lost', { mails: [mail(), mail()] }, /came again/],
    [
      'a mail again though only a webhook was lost',
      { mails: [mail(), mail()], at: { step: 'after_mail', fault: 'lost' } },
      /came again/,
    ],
  ];
  it.each(made)('finds %s', async (_, what, said) => {
    expect((await found(what)).join('\n')).toMatch(said);
  });

  it('accepts a repeated mail whose receipt was not acknowledged, only under the same Message-ID', async () => {
    const at = { step: 'after_mail', fault: 'dropped' } as const;
    expect(await found({ mails: [mail(), mail()], at })).toEqual([]);
    expect(await found({ mails: [mail(), mail('another')], at })).not.toEqual([]);
  });
});
