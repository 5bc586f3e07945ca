/** Tests the limits for callers without authentication: few bodies, of small size, for a short time. */
import { createHmac, randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { connect as connectSocket, type Socket } from 'node:net';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type CommandedApi, startCommandedApi, WEBHOOK_SECRET } from './support.ts';

let api: CommandedApi;
beforeAll(async () => {
  api = await startCommandedApi();
});
afterAll(() => api.close());

const PATHS = ['/v1/webhooks/stripe', '/v1/webhooks/copperx'];
const LIMIT = 256 * 1024;

describe.each(PATHS)('a body for %s', (path) => {
  const send = (bytes: number) =>
    api.send('POST', path, { key: null, raw: Buffer.alloc(bytes, 'x'), headers: { 'Stripe-Signature': 't=1,v1=x' } });

  it('of 256 KiB is read, and refused for its signature', async () => {
    expect((await send(LIMIT)).status).not.toBe(413);
  });

  it('of one byte more is not read', async () => {
    const { status, body, headers } = await send(LIMIT + 1);
    expect([status, body.error.code, headers.get('connection')]).toEqual([413, 'payload_too_large', 'close']);
    expect(body.error.message).toContain('256 KiB');
  });

  it('without a length and an end is aborted at 256 KiB', async () => {
    const socket = await opened(path, 'Transfer-Encoding: chunked');
    let answer = '';
    socket.on('data', (data) => {
      answer += data.toString('latin1');
    });
    socket.on('error', () => {});
    const chunk = `10000\r\n${'x'.repeat(0x10000)}\r\n`;
    for (let sent = 0; sent < 16 && !socket.destroyed; sent += 1) socket.write(chunk);
    await expect.poll(() => socket.closed || answer.includes('413')).toBe(true);
    socket.destroy();
  });
});

/** A connection that has sent its headers, and no body yet. */
async function opened(path: string, header: string): Promise<Socket> {
  const { hostname, port } = new URL(api.url);
  const socket = connectSocket(Number(port), hostname);
  await once(socket, 'connect');
  socket.write(`POST ${path} HTTP/1.1\r\nHost: x\r\n${header}\r\n\r\n`);
  return socket;
}

describe('two hundred bodies without an end', () => {
  it('are read in small numbers, do not block a complete body, and are aborted', async () => {
    const slow = await Promise.all(
      Array.from({ length: 200 }, async (_, index) => {
        const socket = await opened(PATHS[index % 2] ?? '', `Content-Length: ${LIMIT}`);
        socket.on('error', () => {});
        socket.write(Buffer.alloc(1024));
        return socket;
      }),
    );
    const open = () => slow.filter(({ destroyed, closed, readable }) => !destroyed && !closed && readable).length;
    for (const socket of slow) socket.resume();
    await expect.poll(open).toBeLessThanOrEqual(64);

    const event = {
      id: `evt_${randomUUID()}`,
      object: 'event',
      type: 'payment_intent.succeeded',
      created: 0,
      livemode: false,
    };
    const raw = JSON.stringify({ ...event, data: { object: { id: 'pi_x', object: 'payment_intent', metadata: {} } } });
    const at = Math.floor(Date.now() / 1000);
    const signature = createHmac('sha256', WEBHOOK_SECRET).update(`${at}.${raw}`).digest('hex');
    const headers = { 'Stripe-Signature': `t=${at},v1=${signature}` };
    const answer = await api.send('POST', '/v1/webhooks/stripe', { key: null, raw, headers });
    expect(answer.status).toBe(200);

    // Those that go on sending nothing are given up after a few seconds.
    await expect.poll(open).toBe(0);
  });
});
