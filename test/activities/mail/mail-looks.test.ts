/** Tests the properties that all mails share, for any kind, team and brand. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { DEFAULT_BRAND } from '../../../activities/mail/brand.ts';
import { contrast, darkPalette, lightPalette } from '../../../activities/mail/colors.ts';
import { usageOwed } from '../../../activities/mail/usage-owed.ts';
import { micros } from '../../../billing/money.ts';
import { NOW } from '../fixtures.ts';
import { dispute, SAMPLE_ABOUT, sampleMails } from './samples.ts';

const samples = Object.entries(sampleMails(SAMPLE_ABOUT));

const ENTITIES: Record<string, string> = { '&amp;': '&', '&lt;': '<', '&gt;': '>', '&quot;': '"', '&#39;': "'" };
/** The HTML as a reader without styles sees it. */
const plain = (html: string): string =>
  html
    .replace(/<head>[\s\S]*?<\/head>/, '')
    .replace(/<[^>]+>/g, ' ')
    .replace(/&(?:amp|lt|gt|quot|#39);/g, (entity) => ENTITIES[entity] ?? entity)
    .replace(/\s+/g, ' ');

describe.each(samples)('the mail %s', (_name, { subject, text, html }) => {
  it('names the team in its subject, and has one heading', () => {
    expect(subject).toMatch(/ \(Acme Robotics\)$/);
    expect(html.match(/<h1/g)).toHaveLength(1);
  });

  it('has each line of its text in its HTML too', () => {
    const said = plain(html);
    for (const line of text.split('\n').filter((each) => each !== '' && each !== '-- '))
      for (const part of line.replace(/^[* ]+/, '').split(/: |:$/))
        if (!part.startsWith('https://')) expect(said).toContain(part.trim());
    for (const [url] of text.matchAll(/https:\/\/\S+/g)) expect(html).toContain(`href="${url}"`);
  });

  it('names its language, its colour schemes and the contact for help', () => {
    expect(html).toContain('<html lang="en"');
    expect(html).toContain('<meta name="color-scheme" content="light dark">');
    expect(html).toContain('@media (prefers-color-scheme: dark)');
    expect(text).toContain('Please write to help@burnrate.example.');
    expect(text).toContain('All times are UTC.');
  });

  it('fits a phone: no element has a fixed width, and long ids can break', () => {
    expect(html).not.toMatch(/(?<!max-)width: ?\d{3,}px|width="\d{3,}"/);
    expect(html.length).toBeLessThan(100_000);
    for (const [, cell] of html.matchAll(/<td[^>]*style="([^"]*)"[^>]*>[^<]{40,}</g))
      expect(cell).toContain('overflow-wrap:anywhere');
  });

  it('never shows an amount of $0.00', () => {
    expect(text).not.toContain('$0.00');
  });
});

describe('the colours of mails', () => {
  const TEXT = 4.5;
  const brands = fc.integer({ min: 0, max: 0xffffff }).map((value) => `#${value.toString(16).padStart(6, '0')}`);

  it.each([
    ['black on white', '#000000', '#ffffff', 21],
    ['a grey that just passes', '#767676', '#ffffff', 4.54],
    ['a colour on itself', '#1d4ed8', '#1d4ed8', 1],
  ])('are compared by the WCAG formula: %s', (_name, one, other, expected) => {
    expect(contrast(one, other)).toBeCloseTo(expected, 2);
  });

  it.each([
    ['light', lightPalette],
    ['dark', darkPalette],
  ])('keep text readable in %s for any brand colour', (_name, paletteOf) => {
    fc.assert(
      fc.property(fc.oneof(brands, fc.constantFrom('#ffffff', '#000000', '#ffd400', '#1d4ed8')), (brand) => {
        const { page, card, text, quiet, button, onButton, link } = paletteOf(brand);
        for (const [front, ground] of [
          [text, card],
          [quiet, card],
          [text, page],
          [quiet, page],
          [onButton, button],
          [link, card],
        ] as const)
          expect(contrast(front, ground), `${front} on ${ground}`).toBeGreaterThanOrEqual(TEXT);
      }),
    );
  });

  it('keep the brand’s own colour on buttons in the light scheme', () => {
    expect(lightPalette(DEFAULT_BRAND.color).button).toBe(DEFAULT_BRAND.color);
    expect(lightPalette('#ffd400')).toMatchObject({ button: '#ffd400', onButton: '#000000' });
  });
});

describe('a brand', () => {
  const branded = (change: object) =>
    sampleMails({ ...SAMPLE_ABOUT, brand: { ...SAMPLE_ABOUT.brand, ...change } })['balance-low'];

  it('with a logo shows the logo with the brand’s name as alternative text', () => {
    const { html } = branded({ name: 'Acme & Sons', logoUrl: 'https://acme.example/logo.png?a=1&b=2' }) ?? { html: '' };
    expect(html).toContain('src="https://acme.example/logo.png?a=1&amp;b=2" alt="Acme &amp; Sons"');
  });

  it('without a footer line shows none', () => {
    expect(branded({ footer: null })?.text).not.toContain('Burnrate Ltd');
  });
});

it('a team’s name is shortened in the subject by whole characters, and escaped in the HTML', () => {
  const teamName = `<i>${'🚀'.repeat(80)}</i>`;
  const mail = sampleMails({ ...SAMPLE_ABOUT, teamName })['balance-low'];
  expect(mail?.subject).toBe(`Credit is below $10.00 (<i>${'🚀'.repeat(56)}…)`);
  expect(mail?.html).toContain(`&lt;i&gt;${'🚀'.repeat(80)}&lt;/i&gt;`);
  expect(mail?.html).not.toContain('<i>');
});

describe('amounts', () => {
  it('below a cent are shown in full', () => {
    const { text } = usageOwed(SAMPLE_ABOUT, micros(10), NOW);
    expect(text).toContain('$0.00001 is owed now');
    expect(text).not.toMatch(/\$0\.00(?!\d)/);
  });

  it('of a debt that was paid since are not demanded', () => {
    expect(usageOwed(SAMPLE_ABOUT, micros(0), NOW).text).toContain('nothing is owed now');
  });
});

describe('the credit left at an exhaustion', () => {
  it('is explained with the cost of one more second and the credit needed to start again', () => {
    const { text } = sampleMails(SAMPLE_ABOUT)['credits-exhausted'] ?? { text: '' };
    expect(text).toContain('$0.25 of credit is left, because one more second would have cost $0.75.');
    expect(text).toContain('At least $3.00 of credit is needed to start an instance.');
    expect(text).toContain('The smallest deposit is $15.00.');
  });

  it('of very many instances is shown with forty instances and a total', () => {
    const { text } = sampleMails(SAMPLE_ABOUT)['credits-exhausted-many'] ?? { text: '' };
    expect(text).toContain('worker-40:');
    expect(text).not.toContain('worker-41:');
    expect(text).toContain('and 1461 more');
    expect(text).toContain('Cost of all: $7,474.98');
  });
});

describe('the disputed part of a deposit', () => {
  const words = (...args: Parameters<typeof dispute> extends [unknown, ...infer Rest] ? Rest : never) =>
    dispute(SAMPLE_ABOUT, ...args).text;

  it('is shown after a loss, with the taken and the owed amount separately', () => {
    const text = words('lost', { fromCreditMicros: 12_000_000, owedMicros: 8_000_000 }, 11);
    expect(text).toContain('to give $20.00 of the deposit of $100.00 by your Visa ending in 4242 back');
    expect(text).toContain('$12.00 of the credit of Acme Robotics has been taken');
    expect(text).toContain('no credit left for $8.00 of it');
    expect(text).toContain('In all, $11.00 is owed now');
  });

  it('is shown as the deposit when it is the whole deposit, and never as more than the deposit', () => {
    const whole = { claimedMicros: 120_000_000, beforeMicros: 120_000_000, heldMicros: 100_000_000 };
    const text = words('opened', whole);
    expect(text).toContain('that the deposit of $100.00 by your Visa ending in 4242 is not theirs to pay');
    expect(text).toContain('The bank names $120.00, which is more than was paid. You can lose no more than $100.00.');
  });

  it('can change before the bank decides', () => {
    const text = words('changed', { beforeMicros: 50_000_000, heldMicros: 20_000_000, freedMicros: 30_000_000 });
    expect(text).toContain('is disputed, from $50.00 to $20.00');
    expect(text).toContain('$30.00 that was held of the credit of Acme Robotics is free again');
  });

  it('can be decided again, either way', () => {
    const won = dispute(SAMPLE_ABOUT, 'won', { returnedMicros: 20_000_000, again: true });
    expect(won.subject).toContain('The dispute was decided again: your payment stands');
    expect(won.text).toContain('$20.00 that had been taken for it is credit of Acme Robotics again');
    const lost = dispute(SAMPLE_ABOUT, 'lost', { fromCreditMicros: 20_000_000, again: true });
    expect(lost.subject).toContain('The dispute was decided again: the payment was taken back');
    expect(lost.text).toContain('decided again, this time to give $20.00 of the deposit of $100.00');
    expect(words('reopened', { heldMicros: 20_000_000, again: true })).toContain(
      'The bank is looking again at $20.00 of',
    );
  });
});
