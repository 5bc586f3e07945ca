/** Tests the platform stand-in: signed events, waits, faults, web page and restarts. */
import { randomUUID } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Webhook } from 'standardwebhooks';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { type PlatformStandIn, startPlatformStandIn } from '../../embedded/platform/index.ts';

const secret = `whsec_${Buffer.from('a secret of the tests, 24+').toString('base64')}`;
const otherSecret = `whsec_${Buffer.from('the secret of somebody else').toString('base64')}`;
let platform: PlatformStandIn;

beforeAll(async () => {
  platform = await startPlatformStandIn({ secret });
});
afterAll(() => platform.stop());
afterEach(async () => {
  await platform.setMode('ok');
  await platform.clear();
});

interface Delivery {
  readonly id?: string;
  readonly type?: string;
  readonly data?: object;
  readonly signedWith?: string;
  readonly to?: PlatformStandIn;
  readonly signal?: AbortSignal;
}

/** Delivers an event as the product does, and answers the status. */
async function deliver(delivery: Delivery = {}): Promise<number> {
  const { id = `evt_${randomUUID()}`, type = 'instance.terminate', data = { instance: 'inst_1' } } = delivery;
  const now = new Date();
  const body = JSON.stringify({ type, timestamp: now.toISOString(), data });
  const headers = {
    'Content-Type': 'application/json',
    'webhook-id': id,
    'webhook-timestamp': String(Math.floor(now.getTime() / 1000)),
    'webhook-signature': new Webhook(delivery.signedWith ?? secret).sign(id, now, body),
  };
  const url = (delivery.to ?? platform).url;
  return (await fetch(url, { method: 'POST', headers, body, ...(delivery.signal && { signal: delivery.signal }) }))
    .status;
}
const tell = (mode: unknown) =>
  fetch(`${platform.webUrl}/_control/mode`, {
    method: 'POST',
    headers: { 'Content-Type': 'application/json' },
    body: JSON.stringify({ mode }),
  });
const answers = () => platform.events().map(({ answered }) => answered);

describe('the platform stand-in', () => {
  it('accepts a signed event, and stores it', async () => {
    expect(await deliver({ id: 'evt_1', data: { instance: 'inst_7', reason: 'out_of_credits' } })).toBe(200);
    expect(platform.events()).toEqual([
      {
        id: 'evt_1',
        type: 'instance.terminate',
        data: { instance: 'inst_7', reason: 'out_of_credits' },
        at: expect.stringMatching(/^\d{4}-.*Z$/),
        verified: true,
        answered: 200,
        ok: true,
      },
    ]);
  });

  it('refuses a forged event, and records that it arrived', async () => {
    expect(await deliver({ signedWith: otherSecret })).toBe(401);
    expect((await fetch(platform.url, { method: 'POST', body: 'no signature, no JSON' })).status).toBe(401);
    expect(platform.events()).toMatchObject([
      { verified: false, ok: false, type: 'instance.terminate' },
      { verified: false, ok: false, type: '(not JSON)' },
    ]);
  });

  it('can be awaited', async () => {
    const coming = platform.waitFor(({ type }) => type === 'balance.low');
    await deliver();
    await deliver({ type: 'balance.low' });
    expect((await coming).type).toBe('balance.low');
    await expect(platform.waitFor(() => false, 20)).rejects.toThrow(
      'What arrived: instance.terminate answered 200; balance.low',
    );
  });

  it('has its events again after a restart, if it has a file', async () => {
    const dir = await mkdtemp(join(tmpdir(), 'burnrate-platform-'));
    const file = join(dir, 'events.jsonl');
    const first = await startPlatformStandIn({ secret, file });
    await deliver({ id: 'evt_kept', to: first });
    await first.stop();
    const second = await startPlatformStandIn({ secret, file });
    expect(second.events()).toMatchObject([{ id: 'evt_kept' }]);
    await second.stop();
    await rm(dir, { recursive: true });
  });
});

describe('a faulty platform', () => {
  it('fails until it is switched back', async () => {
    await platform.setMode('fail');
    expect([await deliver(), await deliver()]).toEqual([503, 503]);
    await platform.setMode('ok');
    expect(await deliver()).toBe(200);
    expect(platform.events().map(({ ok }) => ok)).toEqual([false, false, true]);
  });

  it('fails exactly the set number of deliveries, in parallel too, without counting forged events', async () => {
    await platform.setMode({ failNext: 3 });
    await deliver({ signedWith: otherSecret });
    const statuses = await Promise.all(Array.from({ length: 8 }, () => deliver()));
    expect(statuses.filter((status) => status === 503)).toHaveLength(3);
    expect(statuses.filter((status) => status === 200)).toHaveLength(5);
  });

  it('delays its answer, and records that the sender disconnected', async () => {
    await platform.setMode({ slowMs: 60 });
    const started = Date.now();
    expect(await deliver()).toBe(200);
    expect(Date.now() - started).toBeGreaterThanOrEqual(55);
    await expect(deliver({ signal: AbortSignal.timeout(20) })).rejects.toThrow('timeout');
    await platform.waitFor(({ answered }) => answered === null, 2_000);
    expect(answers()).toEqual([200, null]);
  });

  it('can be unreachable, and returns at the same address', async () => {
    await platform.setMode('gone');
    await expect(deliver()).rejects.toThrow('fetch failed');
    await platform.setMode('ok');
    expect(await deliver()).toBe(200);
  });

  it('is switched over HTTP too, even while it is unreachable', async () => {
    expect(await (await tell('gone')).json()).toEqual({ mode: 'gone' });
    await expect(deliver()).rejects.toThrow('fetch failed');
    await tell({ failNext: 1 });
    expect([await deliver(), await deliver()]).toEqual([503, 200]);
    expect((await tell('asleep')).status).toBe(400);
  });
});

describe('the page of the platform', () => {
  const page = async () => await (await fetch(platform.webUrl)).text();

  it('lists each machine with a stop order once', async () => {
    await platform.setMode({ failNext: 1 });
    await deliver({ id: 'evt_1', data: { instance: 'inst_told_twice' } });
    await deliver({ id: 'evt_1', data: { instance: 'inst_told_twice' } });
    const machines = (await page()).split('</table>')[0]!;
    expect(machines).toContain('Machine told to stop');
    expect(machines.split('inst_told_twice')).toHaveLength(2);
  });

  it('does not count a forged order, and escapes its content', async () => {
    await deliver({ data: { instance: '<script>alert(1)</script>' }, signedWith: otherSecret });
    const shown = await page();
    expect(shown).toContain('No machine was told to stop');
    expect(shown).toContain('&lt;script&gt;alert(1)');
    expect(shown).not.toContain('<script>alert');
  });

  it('answers JSON', async () => {
    await deliver({ type: 'balance.low' });
    expect(await (await fetch(`${platform.webUrl}/api/events`)).json()).toMatchObject([{ type: 'balance.low' }]);
  });
});
