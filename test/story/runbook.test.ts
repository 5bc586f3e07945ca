/** Runs every command of docs/operating.md, unchanged except for the ids of its examples, against the whole product. */
import { execFile } from 'node:child_process';
import { chmod, mkdir, readFile, writeFile } from 'node:fs/promises';
import { delimiter, join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { publishEnvironment } from '../../embedded/published.ts';
import { type ProductUnderTest, startProductUnderTest, until } from './support.ts';

const ROOT = join(import.meta.dirname, '..', '..');
const page = await readFile(join(ROOT, 'docs/operating.md'), 'utf8');
const readme = await readFile(join(ROOT, 'README.md'), 'utf8');

/** The commands of a page's shell blocks, a block each. */
const blocksOf = (text: string): string[] => [...text.matchAll(/^```sh\n(.*?)^```$/gms)].map(([, block = '']) => block);
const [besideStart = '', withCompose = '', ...runbook] = blocksOf(page);

let product: ProductUnderTest;
/** The ids of the page's examples, and those of this product. */
let ids: Array<[example: RegExp, real: string]>;

beforeAll(async () => {
  product = await startProductUnderTest({});
  await publishEnvironment(product.folder, product.environment);
  ids = await exampleRows();
});
afterAll(() => product?.stop());

/** What the examples are about: a team with an instance, a reservation, a top-up, a refund, a dispute and usage. */
async function exampleRows(): Promise<typeof ids> {
  const { api, stripe } = product;
  const post = async (path: string, body: object) => {
    const { status, body: answer } = await api.send('POST', path, body);
    expect(status, `${path}: ${JSON.stringify(answer)}`).toBeLessThan(300);
    return answer;
  };
  await post('/v1/teams', { id: 'acme', name: 'Acme Robotics', email: 'billing@acme.example' });
  const card = await post('/v1/teams/acme/payment-methods', { stripePaymentMethod: 'pm_card_visa' });
  const deposit = await post('/v1/teams/acme/deposits', { amount: '100.00', method: 'card', paymentMethod: card.id });
  await post('/v1/teams/acme/grants', { amount: '2000.00', note: 'to run on' });
  const listed = { team: 'acme', gpuType: 'h100-80gb', region: 'eu-west-1' };
  await post('/v1/instances', { ...listed, id: 'train-1', pricing: 'on_demand' });
  await post('/v1/reservations', { ...listed, id: 'resv_1', count: 1, term: '1m' });
  const model = 'llama-3.3-70b-instruct';
  await post('/v1/usage', { events: [{ id: 'e1', team: 'acme', model, inputTokens: 10, outputTokens: 10 }] });
  const refund = await post(`/v1/deposits/${deposit.id}/refund`, { amount: '20.00' });
  const intent = stripe.charges().find(({ metadata }) => metadata.deposit === deposit.id)?.payment_intent;
  stripe.openDispute(String(intent));
  let dispute = { id: '', stripe_dispute_id: '' };
  await until('the dispute is recorded', async () => {
    const [row] = await product.sql<typeof dispute>('SELECT id, stripe_dispute_id FROM disputes');
    if (row) dispute = row;
    return row !== undefined;
  });
  return [
    [/\bdep_acme_top_up_2\b/g, deposit.id],
    [/\bdep_1abc\b/g, deposit.id],
    [/\bref_1abc\b/g, refund.id],
    [/\bdisp_du_1abc\b/g, dispute.id],
    [/\bdu_1abc\b/g, dispute.stripe_dispute_id],
  ];
}

interface Ended {
  status: number;
  output: string;
}

/** Runs a script as an operator's shell would: every command must succeed. */
const shell = (script: string, path = ''): Promise<Ended> =>
  new Promise((resolve) => {
    const { PATH = '', HOME = '', TEMPORAL_CLI_PATH = '' } = process.env;
    const env = { PATH: path + PATH, HOME, TEMPORAL_CLI_PATH, BURNRATE_DATA_DIR: product.folder };
    execFile(
      'bash',
      ['-euo', 'pipefail', '-c', script],
      { cwd: ROOT, env, timeout: 110_000 },
      (error, stdout, stderr) =>
        resolve({ status: error === null ? 0 : Number(error.code ?? 1), output: stdout + stderr }),
    );
  });

const withRealIds = (script: string): string =>
  ids.reduce((text, [example, real]) => text.replace(example, real), script);

/** The commands of a block, one string each: a comment, an empty line or the end of a here-document separates two. */
const commandsOf = (block: string): string[] =>
  block.includes("<<'SQL'")
    ? [block]
    : block
        .split(/\n\s*\n/)
        .map((command) => command.trim())
        .filter((command) => /^[^#\s]/m.test(command) && !IN_COMPOSE.test(command));

/** A command that only compose has: its container is not here. */
const IN_COMPOSE = /^docker compose exec (?:-T )?([\w-]+) /m;

/** The first line of a command, or of its here-document, without a comment's sign. */
const titleOf = (command: string): string =>
  command
    .replace(/^sql <<'SQL'\n/, '')
    .replace(/^(#|--) /, '')
    .split('\n')[0] ?? '';

describe('docs/operating.md', () => {
  it.each(runbook.flatMap(commandsOf).map((command) => [titleOf(command), command]))(
    'has a command that runs as written: %s',
    async (_, command) => {
      const { status, output } = await shell(`${besideStart}\n${withRealIds(command)}`);
      // A comparison that finds a difference exits with 1, and says so.
      const found = command.startsWith('reconcile') && /\d+ rows compared/.test(output);
      expect(found ? 0 : status, output).toBe(0);
    },
  );

  it('defines its commands for compose by existing services and files', async () => {
    const { services } = parse(await readFile(join(ROOT, 'docker-compose.yml'), 'utf8')) as { services: object };
    const bin = join(product.folder, 'bin');
    await mkdir(bin, { recursive: true });
    // Stands in for Docker: runs in place of the container, and notes whose it would be.
    const docker = `#!/usr/bin/env bash
set -euo pipefail
[ "$1" = compose ] || exit 64
case "$2 $3 $4" in
  'run --rm -T') service=$5; shift 5; echo "$service" >> "${bin}/services"; exec npm run --silent temporal -- "$@" ;;
  'exec -T worker') echo worker >> "${bin}/services"; shift 4; exec "$@" ;;
esac
exit 64
`;
    await writeFile(join(bin, 'docker'), docker);
    await chmod(join(bin, 'docker'), 0o755);
    const script = `${withCompose}\ntemporal workflow list --limit 1\nsql <<< 'SELECT 1 AS one'\nreconcile --day today || [ $? = 1 ]`;
    const { status, output } = await shell(script, bin + delimiter);
    expect(status, output).toBe(0);
    expect(output).toMatch(/^one\n1\n\(1 row\)/m);
    expect(output).toContain('provisional');
    const used = (await readFile(join(bin, 'services'), 'utf8')).trim().split('\n');
    expect(used).toEqual(['temporal-tools', 'worker', 'worker']);
    for (const service of used) expect(services).toHaveProperty(service);
    for (const block of runbook)
      for (const [, service = ''] of block.matchAll(new RegExp(IN_COMPOSE, 'gm')))
        expect(services).toHaveProperty(service);
    const { scripts } = JSON.parse(await readFile(join(ROOT, 'package.json'), 'utf8'));
    const copied = [...(await readFile(join(ROOT, 'Dockerfile'), 'utf8')).matchAll(/^COPY (\w+) \1$/gm)];
    for (const name of ['sql', 'reconcile'])
      expect(copied.map(([, folder]) => folder)).toContain(/(\w+)\/[\w-]+\.ts$/.exec(scripts[name])?.[1]);
  });
});

describe('README.md', () => {
  it('prepares Temporal by commands that can be repeated', async () => {
    const block = blocksOf(readme).find((each) => each.includes('operator namespace create')) ?? '';
    for (const repetition of [1, 2]) {
      const { status, output } = await shell(`${besideStart}\n${block}`);
      expect(status, `run ${repetition}: ${output}`).toBe(0);
    }
  });
});
