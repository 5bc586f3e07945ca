/** Draws the receipt of one payment from its facts. */
import { formatInFull, type Micros, subtract } from '../../billing/money.ts';
import { formatSecond } from '../../billing/time.ts';
import type { Recipient } from '../../prisma/papers.ts';
import { utc } from '../mail/facts.ts';
import type { Issuer } from './issuer.ts';
import { type Fact, HEADING, NOTE, Sheet } from './sheet.ts';

export interface ReceiptFacts {
  number: string;
  issuer: Issuer;
  recipient: Recipient;
  teamId: string;
  depositId: string;
  label: string;
  /** The payment method in words: `Visa ending in 4242`. */
  method: string;
  paidMicros: Micros;
  /** The unix second of the credit. */
  creditedSecond: number;
  /** The crypto payments of the receipt: one, except for deposits from before each payment had its own receipt. */
  coins: Coins[];
  /** The requested amount of the deposit, and the total that had arrived with this payment. Null for a card. */
  deposit: { askedMicros: Micros; totalMicros: Micros } | null;
}

export interface Coins {
  /** `usdc` */
  currency: string;
  chain: string;
  transactionHash: string;
  output: number;
  amountMicros: Micros;
}

export async function receiptPaper(facts: ReceiptFacts): Promise<Buffer> {
  const { number, issuer, recipient, paidMicros, creditedSecond } = facts;
  const sheet = new Sheet({ title: `Receipt ${number}`, author: issuer.name, second: creditedSecond });
  const paid = formatInFull(paidMicros);
  await sheet.head('Receipt', issuer.name);
  await sheet.facts([
    ['Receipt number', number],
    ['Date paid', utc(creditedSecond)],
    ['Payment method', facts.method],
  ]);
  sheet.space(18);
  await sheet.columns([
    { heading: 'From', rows: issuerRows(issuer) },
    { heading: 'Billed to', rows: recipientRows(recipient, facts.teamId) },
  ]);
  sheet.space(26);
  await sheet.text(`${paid} paid on ${formatSecond(creditedSecond).slice(0, 10)}`, HEADING, 'H2', 110);
  sheet.space(8);
  await sheet.table(
    [
      { title: 'Description', share: 0.72 },
      { title: 'Amount', share: 0.28, align: 'right' },
    ],
    [[`Prepaid credit (${facts.label})`, paid]],
    [['Total paid', `USD ${paid.slice(1)}`]],
  );
  sheet.space(20);
  await sheet.facts([...coinFacts(facts), ['Deposit', facts.depositId]]);
  sheet.space(16);
  await sheet.text(
    'This is a receipt for prepaid credit: 1 credit is USD 1. It states the payment as it was received. Not a tax invoice. All times are UTC.',
    NOTE,
  );
  return sheet.finish();
}

const issuerRows = ({ name, address, taxId, contact }: Issuer): string[] => [
  name,
  ...(address?.split('\n') ?? []),
  ...(taxId === null ? [] : [`Tax ID ${taxId}`]),
  ...(contact === null ? [] : [contact]),
];

function recipientRows({ teamName, company, address, taxId, reference }: Recipient, teamId: string): string[] {
  return [
    company ?? teamName,
    ...(address?.split('\n') ?? []),
    ...(taxId === null ? [] : [`Tax ID ${taxId}`]),
    ...(reference === null ? [] : [`Reference ${reference}`]),
    ...(company === null || company === teamName ? [] : [`Team ${teamName}`]),
    `Team ID ${teamId}`,
  ];
}

/** The names of chains by their numbers. Source: https://chainid.network */
const NETWORKS: Record<string, string> = {
  '1': 'Ethereum',
  '10': 'OP Mainnet',
  '56': 'BNB Smart Chain',
  '137': 'Polygon',
  '8453': 'Base',
  '42161': 'Arbitrum One',
  '43114': 'Avalanche C-Chain',
};

const networkInWords = (chain: string): string => {
  const name = NETWORKS[chain];
  if (name !== undefined) return `${name} (chain ${chain})`;
  return /^\d+$/.test(chain) ? `Chain ${chain}` : chain;
};

function coinFacts({ coins, deposit, paidMicros }: ReceiptFacts): Fact[] {
  const facts = coins.flatMap(({ currency, chain, transactionHash, output, amountMicros }): Fact[] => [
    ['Coin', `${formatInFull(amountMicros).slice(1)} ${currency.toUpperCase()}`],
    ['Network', networkInWords(chain)],
    ['Transaction', transactionHash, { size: 9 }],
    ['Output', String(output)],
  ]);
  if (deposit === null) return facts;
  const { askedMicros, totalMicros } = deposit;
  if (totalMicros === paidMicros && askedMicros === paidMicros) return facts;
  return [
    ...facts,
    ['Deposit asked for', formatInFull(askedMicros)],
    ['Received before', formatInFull(subtract(totalMicros, paidMicros))],
    ['Received in all', `${formatInFull(totalMicros)}, as of this payment`],
  ];
}
