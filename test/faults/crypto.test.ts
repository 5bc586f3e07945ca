/**
 * Tests the simulated payer of crypto in the fault matrix, who must never cause a second payment that the matrix would
 * report as a fault of the product.
 */
import { describe, expect, it, onTestFinished } from 'vitest';
import { startCopperxStandIn } from '../../embedded/copperx/index.ts';
import { sendCoins } from '../../simulate/faults/kinds/crypto.ts';

const TEAM = { id: 'team-17', email: 't17@faults.example', card: 'pm_17' };
const PATIENCE_MS = 100;

async function startWithPage() {
  const standIn = await startCopperxStandIn();
  onTestFinished(() => standIn.close());
  const answer = await fetch(`${standIn.url}/api/v1/checkout/sessions`, {
    method: 'POST',
    headers: { Authorization: 'Bearer key', 'Content-Type': 'application/json' },
    body: JSON.stringify({
      clientReferenceId: 'dep_1',
      lineItems: {
        data: [{ priceData: { currency: 'usdc', unitAmount: '2517000000', productData: { name: 'Burnrate credit' } } }],
      },
      successUrl: 'http://127.0.0.1/',
    }),
  });
  const { url } = (await answer.json()) as { url: string };
  return { copperx: standIn.control, page: url };
}

describe('coins whose page has not answered', () => {
  it('are sent again, and are one payment when the first request continues later', async () => {
    const { copperx, page } = await startWithPage();
    const gate = copperx.gates.hold(({ method }) => method === 'POST');
    await sendCoins({ copperx }, TEAM, page, PATIENCE_MS);
    const { givenUp } = await gate.reached;
    await givenUp;
    expect(copperx.transactions()).toMatchObject([{ amount: '2517000000' }]);
    gate.release();
    // An answer to what was asked later: the request that went on has been processed.
    await fetch(page);
    expect(copperx.transactions()).toHaveLength(1);
  });

  it('are sent again when the first request had no effect', async () => {
    const { copperx, page } = await startWithPage();
    const gate = copperx.gates.hold(({ method }) => method === 'POST');
    void gate.reached.then(() => gate.release('drop'));
    await sendCoins({ copperx }, TEAM, page, PATIENCE_MS);
    expect(copperx.transactions()).toMatchObject([{ amount: '2517000000' }]);
  });
});
