/** Tests how the worker and the api read the environment, and the errors for missing and wrong variables. */
import { describe, expect, it } from 'vitest';
import { readConfig } from '../../process/config.ts';
import { startCommandedApi, teamWith } from '../api/support.ts';
import { COMPLETE_ENVIRONMENT } from '../support/environment.ts';

describe('the environment', () => {
  it('is refused with every missing or wrong variable, in one sentence', () => {
    const { DATABASE_URL: _, ...rest } = COMPLETE_ENVIRONMENT;
    expect(() => readConfig({ ...rest, SETTLE_EVERY: 'soon', PORT: '' })).toThrow(
      'The environment is not complete: DATABASE_URL is not set; SETTLE_EVERY: expected a duration such as 300s or 1h.',
    );
  });

  it.each([
    ['BURNRATE_PLATFORM_KEY', `${'k'.repeat(20)} `, 'BURNRATE_PLATFORM_KEY begins or ends with a space'],
    ['BURNRATE_PLATFORM_KEY', `${'k'.repeat(20)}\n`, 'BURNRATE_PLATFORM_KEY ends with a line break'],
    ['BURNRATE_PLATFORM_KEY', 'k'.repeat(513), 'BURNRATE_PLATFORM_KEY: expected 512 characters or fewer'],
    ['BURNRATE_PLATFORM_KEY', 'k'.repeat(15), 'BURNRATE_PLATFORM_KEY: expected 16 characters or more'],
    ['BURNRATE_PLATFORM_KEY', 'a key with spaces in it', 'without spaces'],
    ['BURNRATE_PLATFORM_KEY', 'schlüssel-der-plattform', 'letters, digits and punctuation of ASCII'],
    ['BURNRATE_PLATFORM_KEY', 'key\u0000with-a-nul-in-it', 'BURNRATE_PLATFORM_KEY holds a control character'],
    ['STRIPE_SECRET_KEY', 'pk_test_x', 'a publishable key (pk_…) cannot charge'],
    ['STRIPE_SECRET_KEY', 'sk_test_x\r\n', 'STRIPE_SECRET_KEY ends with a line break'],
    ['STRIPE_WEBHOOK_SECRET', 'sk_test_x', 'which begins with whsec_'],
    ['PLATFORM_WEBHOOK_SECRET', 'whsec_platform-secret', 'PLATFORM_WEBHOOK_SECRET: expected base64 after whsec_'],
    ['PLATFORM_WEBHOOK_SECRET', 'short', 'PLATFORM_WEBHOOK_SECRET: expected 16 characters or more'],
    ['COPPERX_API_KEY', 'ke y', 'COPPERX_API_KEY: expected letters'],
    ['TEMPORAL_API_KEY', 'ключ', 'TEMPORAL_API_KEY: expected letters'],
    ['TEMPORAL_ADDRESS', 'http://temporal:7233', 'TEMPORAL_ADDRESS: expected host:port, without a scheme'],
    ['TEMPORAL_ADDRESS', 'temporal', 'TEMPORAL_ADDRESS: expected host:port'],
    ['DATABASE_URL', 'mysql://db/burnrate', 'expected an address that begins with postgresql:// or postgres://'],
    ['RETURN_URL_ORIGINS', 'https://app.example/path', 'RETURN_URL_ORIGINS: expected origins such as'],
    ['RETURN_URL_ORIGINS', 'app.example', 'RETURN_URL_ORIGINS: expected origins such as'],
    ['PUBLIC_URL', 'billing.example', 'PUBLIC_URL: expected an address that begins with http:// or https://'],
    ['PUBLIC_URL', 'https://billing.example/?a=b', 'PUBLIC_URL: expected an address without ? and #'],
    ['PLATFORM_WEBHOOK_URL', 'ftp://platform.example', 'PLATFORM_WEBHOOK_URL: expected an address'],
    ['STRIPE_API_BASE', 'http://', 'STRIPE_API_BASE: expected an address'],
    ['PORT', '0', 'PORT: expected a port from 1 to 65535'],
    ['PORT', '65536', 'PORT: expected a port from 1 to 65535'],
    ['PORT', '3000\n', 'PORT ends with a line break'],
    ['HOST', 'http://127.0.0.1', 'HOST: expected a host name or an IP address'],
    ['RATE_LIMIT_PER_MINUTE', '0', 'RATE_LIMIT_PER_MINUTE: expected a whole number of 1 or more'],
    ['TOP_UP_COOLDOWN', '300', 'TOP_UP_COOLDOWN: expected a duration such as 300s or 1h'],
    ['SETTLE_EVERY', '30d', 'SETTLE_EVERY: expected a duration of 24 days or less'],
    ['TEMPORAL_TLS', 'yes', 'TEMPORAL_TLS: expected true or false'],
    ['DEPOSIT_MIN', '6000', 'DEPOSIT_MIN ($6,000.00) is above DEPOSIT_MAX ($5,000.00)'],
  ])('is refused with %s=%j, in a sentence', (name, text, sentence) => {
    expect(() => readConfig({ ...COMPLETE_ENVIRONMENT, [name]: text })).toThrow(sentence);
  });

  it('is refused with a stray space and the other faults in one message, which repeats no value', () => {
    const wrong = {
      BURNRATE_PLATFORM_KEY: ' secret-of-the-platform',
      STRIPE_SECRET_KEY: 'pk_live_published',
      PORT: 'x',
    };
    const message = (() => {
      try {
        readConfig({ ...COMPLETE_ENVIRONMENT, ...wrong });
      } catch (error) {
        return (error as Error).message;
      }
    })();
    for (const name of Object.keys(wrong)) expect(message).toContain(name);
    expect(message).not.toMatch(/secret-of-the-platform|pk_live_published/);
  });

  it('accepts every key that fits into an Authorization header', () => {
    for (const key of ['k'.repeat(512), 'sixteen-letters!', '~!@#$%^&*()_+{}|:"<>?'])
      expect(readConfig({ ...COMPLETE_ENVIRONMENT, BURNRATE_PLATFORM_KEY: key }).platform.key).toBe(key);
    expect(readConfig({ ...COMPLETE_ENVIRONMENT, STRIPE_SECRET_KEY: 'rk_live_x' }).stripe.secretKey).toBe('rk_live_x');
    expect(readConfig({ ...COMPLETE_ENVIRONMENT, HOST: '::1' }).host).toBe('::1');
    expect(readConfig(COMPLETE_ENVIRONMENT).host).toBeNull();
  });

  it('accepts proxies as a number or as addresses, and refuses anything else by the variable’s name', () => {
    const proxiesOf = (text: string) => readConfig({ ...COMPLETE_ENVIRONMENT, TRUSTED_PROXIES: text }).trustedProxies;
    expect(readConfig(COMPLETE_ENVIRONMENT).trustedProxies).toBe(false);
    expect(proxiesOf('none')).toBe(false);
    expect(proxiesOf('2')).toBe(2);
    expect(proxiesOf('10.0.0.0/8, fd00::/8,192.0.2.1')).toEqual(['10.0.0.0/8', 'fd00::/8', '192.0.2.1']);
    for (const wrong of [
      'true',
      '0',
      '10',
      '10.0.0.0/33',
      '10.0.0/8',
      'balancer',
      '10.0.0.0/8,',
      '::/129',
      '1.2.3.4/8/9',
    ])
      expect(() => proxiesOf(wrong), wrong).toThrow(/TRUSTED_PROXIES: expected none, a number of proxies/);
  });

  it('accepts the issuer of receipts in any script, its address in lines, up to the space of a receipt', () => {
    const read = (given: Record<string, string>) => readConfig({ ...COMPLETE_ENVIRONMENT, ...given }).issuer;
    expect(read({})).toEqual({ name: 'Burnrate', address: null, taxId: null, contact: null });
    const given = {
      RECEIPT_ISSUER: '株式会社クラウド',
      RECEIPT_ISSUER_ADDRESS: '1 Main Street \\n10115 Berlin\\nGermany',
      RECEIPT_ISSUER_TAX_ID: 'DE123456789',
      RECEIPT_ISSUER_CONTACT: 'https://cloud.example/help',
    };
    expect(read(given)).toEqual({
      name: '株式会社クラウド',
      address: '1 Main Street\n10115 Berlin\nGermany',
      taxId: 'DE123456789',
      contact: 'https://cloud.example/help',
    });
    for (const [name, value] of [
      ['RECEIPT_ISSUER', 'x'.repeat(101)],
      ['RECEIPT_ISSUER', 'Acme\nClouds'],
      ['RECEIPT_ISSUER_ADDRESS', 'a\\nb\\nc\\nd\\ne\\nf\\ng\\nh\\ni'],
      ['RECEIPT_ISSUER_ADDRESS', 'a\\n\\nb'],
      ['RECEIPT_ISSUER_TAX_ID', 'DE\u0007'],
      ['RECEIPT_ISSUER_CONTACT', 'x'.repeat(201)],
    ] as const)
      expect(() => read({ [name]: value }), value).toThrow(name);
  });

  it('refuses suggested amounts that a deposit would refuse', () => {
    expect(() => readConfig({ ...COMPLETE_ENVIRONMENT, DEPOSIT_MIN: '60' })).toThrow(
      'DEPOSIT_PRESETS: $50.00 is not between DEPOSIT_MIN ($60.00) and DEPOSIT_MAX ($5,000.00)',
    );
    expect(() => readConfig({ ...COMPLETE_ENVIRONMENT, DEPOSIT_PRESETS: '10,6000', DEPOSIT_MIN: '5' })).toThrow(
      '$6,000.00',
    );
  });

  it('of a small-balance product gives its presets, and accepts their amounts down to $5', async () => {
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
