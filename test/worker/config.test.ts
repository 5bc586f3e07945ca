import { describe, expect, it } from 'vitest';
import { readConfig } from '../../worker/config.ts';
import { startCommandedApi, teamWith } from '../api/support.ts';
import { COMPLETE_ENVIRONMENT } from '../support/environment.ts';

describe('the environment', () => {
  it('names every variable that is missing or wrong, in one sentence', () => {
    const { DATABASE_URL: _, ...rest } = COMPLETE_ENVIRONMENT;
    expect(() => readConfig({ ...rest, SETTLE_EVERY: 'soon', PORT: '' })).toThrow(
      'The environment is not complete: DATABASE_URL is not set; SETTLE_EVERY: expected a duration such as 300s or 1h.',
    );
  });

  it('offers no amount that would then be refused', () => {
    expect(() => readConfig({ ...COMPLETE_ENVIRONMENT, DEPOSIT_MIN: '60' })).toThrow(
      'DEPOSIT_PRESETS: $50.00 is not between DEPOSIT_MIN ($60.00) and DEPOSIT_MAX ($5,000.00)',
    );
    expect(() => readConfig({ ...COMPLETE_ENVIRONMENT, DEPOSIT_PRESETS: '10,6000', DEPOSIT_MIN: '5' })).toThrow(
      '$6,000.00',
    );
  });

  it('of a small-balance product gives its presets, and takes what they offer and no less than $5', async () => {
    const { deposits } = readConfig({ ...COMPLETE_ENVIRONMENT, DEPOSIT_PRESETS: '10,25,50,100', DEPOSIT_MIN: '5' });
    const api = await startCommandedApi({ deposits });
    try {
      const { body } = await api.get('/v1/deposit-options');
      expect(body.min).toBe('5.000000');
      const offered = body.presets.map(({ amount }: { amount: string }) => amount);
      expect(offered).toEqual(['10.000000', '25.000000', '50.000000', '100.000000']);
      const team = await teamWith(api);
      const card = await api.post(`/v1/teams/${team}/payment-methods`, { stripePaymentMethod: 'pm_card_visa' });
      const pay = (amount: string) =>
        api.post(`/v1/teams/${team}/deposits`, { amount, method: 'card', paymentMethod: card.body.id });
      expect(await pay('5')).toMatchObject({ status: 201, body: { status: 'succeeded' } });
      for (const amount of offered) expect((await pay(amount)).status).toBe(201);
      expect(await pay('4.99')).toMatchObject({ status: 422, body: { error: { param: 'amount' } } });
    } finally {
      await api.close();
    }
  });
});
