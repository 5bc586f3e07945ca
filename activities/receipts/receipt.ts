/** The receipt of a deposit: its facts as the rows say, and the file. Used by the api and by mails. */
import type { Db } from '../../prisma/client.ts';
import type { Deposit } from '../../prisma/deposits.ts';
import { getTeam } from '../../prisma/teams.ts';
import { cardInWords } from '../mails/facts.ts';
import { receiptPdf } from './receipt-pdf.ts';

/** Who gives receipts where RECEIPT_ISSUER says nothing else. */
export const DEFAULT_ISSUER = 'Burnrate';

export interface ReceiptFile {
  /** `receipt-acme-000001.pdf` */
  name: string;
  content: Buffer;
}

/** The file of a deposit's receipt. Null before it is credited: what was not paid has no receipt. */
export async function receiptOf(db: Db, deposit: Deposit, issuer: string): Promise<ReceiptFile | null> {
  const { receiptNumber: number, closedSecond, teamId } = deposit;
  if (number === null || closedSecond === null) return null;
  const { name: teamName } = await getTeam(db, teamId);
  const content = await receiptPdf({
    number,
    issuer,
    teamId,
    teamName,
    depositId: deposit.id,
    label: deposit.label,
    method: methodInWords(deposit),
    paidMicros: deposit.receivedMicros ?? deposit.amountMicros,
    creditedSecond: closedSecond,
  });
  return { name: `receipt-${number}.pdf`, content };
}

/** A crypto deposit counts as what was received; a card is named as far as people may see it. */
function methodInWords({ method, cardBrand, cardLast4 }: Deposit): string {
  if (method === 'crypto') return 'Crypto, counted as received';
  return cardInWords(cardBrand === null || cardLast4 === null ? null : { brand: cardBrand, last4: cardLast4 });
}
