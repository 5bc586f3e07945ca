/** Tests that the links, commands, variables and routes in the pages exist. */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { STRIPE_EVENTS } from '../../activities/stripe/events.ts';
import { routesOf } from '../../api/app.ts';
import type { Metrics } from '../../api/http/metrics.ts';
import { openApiDocument } from '../../api/http/openapi.ts';
import type { ApiWorld } from '../../api/world.ts';
import { DIFFERENCES } from '../../billing/differences.ts';

const ROOT = join(import.meta.dirname, '..', '..');
const read = (file: string) => readFileSync(join(ROOT, file), 'utf8');
const decisions = readdirSync(join(ROOT, 'docs/decisions')).map((name) => `docs/decisions/${name}`);
const pages = [
  'README.md',
  'CONTRIBUTING.md',
  'docs/architecture.md',
  'docs/glossary.md',
  'docs/http.md',
  'docs/money-rules.md',
  'docs/operating.md',
  'docs/rules.md',
  'docs/stand-ins.md',
  'docs/examples/metered-chat/README.md',
  ...decisions,
];
const rooms = [
  'billing',
  'prisma',
  'ledger',
  'activities',
  'workflows',
  'process',
  'worker',
  'api',
  'embedded',
  'simulate',
  'bench',
];
const roomPages = rooms.map((room) => `${room}/README.md`);

/** The api's own document; routes are described without a world and only served with one. */
const document = openApiDocument(routesOf({} as ApiWorld, {} as Metrics), 'http://127.0.0.1') as {
  paths: Record<string, Record<string, unknown>>;
};
const isRoute = (method: string, path: string) =>
  Object.entries(document.paths).some(
    ([template, methods]) =>
      new RegExp(`^${template.replace(/\{\w+\}/g, '[^/]+')}$`).test(path) && method.toLowerCase() in methods,
  );

describe('the pages', () => {
  it.each([...pages, ...roomPages])('%s has only links that resolve', (page) => {
    for (const [, target = ''] of read(page).matchAll(/\]\((?!https?:)([^)#]*)(?:#[^)]*)?\)/g))
      expect(existsSync(join(ROOT, dirname(page), target)), `${page} → ${target}`).toBe(true);
  });

  it('name commands of package.json', () => {
    const { scripts } = JSON.parse(read('package.json')) as { scripts: Record<string, string> };
    for (const page of [...pages, ...roomPages])
      for (const [, name = ''] of read(page).matchAll(/npm run ([a-z:]+)/g)) expect(scripts, page).toHaveProperty(name);
  });

  it.each(roomPages)(
    '%s says in half a page what the room owns, does not own and keeps, and where to begin',
    (page) => {
      for (const part of ['**Owns**', '**Does not own**', '**Invariants**', '**Where to begin**'])
        expect(read(page)).toContain(part);
      expect(read(page).split('\n').length).toBeLessThanOrEqual(45);
    },
  );

  it('number the decisions without a gap, and each decision has its sections: what, why and the alternatives', () => {
    decisions.forEach((page, index) => {
      const number = String(index + 1).padStart(4, '0');
      expect(page).toContain(`/${number}-`);
      expect(read(page)).toMatch(new RegExp(`^# ${number} `));
      for (const part of ['**What.**', '**Why', '**Weighed.**']) expect(read(page), page).toContain(part);
    });
  });

  it('include each decision that the code cites', () => {
    for (const file of ['prisma/generate.mjs', 'Dockerfile'])
      for (const [path] of read(file).matchAll(/docs\/decisions\/[\w-]+\.md/g)) expect(decisions).toContain(path);
  });
});

describe('README.md', () => {
  const readme = read('README.md');
  const calls = [...readme.matchAll(/^burnrate (?:-X (\w+) )?\$API(\/\S+)( -d)?/gm)].map(([, method, path, data]) => ({
    method: method ?? (data ? 'POST' : 'GET'),
    path: `/v1${path}`,
  }));

  it('uses routes that exist', () => {
    expect(calls.length).toBeGreaterThanOrEqual(10);
    for (const { method, path } of calls) expect(isRoute(method, path), `${method} ${path}`).toBe(true);
    expect(isRoute('GET', '/v1/nowhere')).toBe(false);
  });

  it('names every variable of process/config.ts', () => {
    const asked = [...read('process/config.ts').matchAll(/^ {2}([A-Z][A-Z_]+): /gm)].map(([, name]) => name as string);
    expect(asked.length).toBeGreaterThan(20);
    for (const name of asked) expect(readme).toContain(`\`${name}\``);
  });

  it('names every event that Stripe must send', () => {
    for (const event of STRIPE_EVENTS) expect(readme).toContain(`\`${event}\``);
  });

  it('counts the scenarios', () => {
    const scenarios = readdirSync(join(ROOT, 'test/scenarios')).filter((name) => name.endsWith('.expected.json'));
    expect(readme.replace(/\s+/g, ' ')).toContain(`holds ${scenarios.length} scenarios`);
  });
});

describe('docs/operating.md', () => {
  it('names metrics that the api has', () => {
    const source = read('api/http/metrics.ts');
    for (const [, name = ''] of read('docs/operating.md').matchAll(/`burnrate_([a-z_]+)/g))
      if (!name.startsWith('nodejs_')) expect(source).toContain(name);
  });

  it('names calls that exist', () => {
    for (const [, method = '', path = ''] of read('docs/operating.md').matchAll(
      /`(GET|POST|PUT|PATCH|DELETE) (\/\S+?)`/g,
    ))
      expect(isRoute(method, path), `${method} ${path}`).toBe(true);
  });

  it('describes each difference between ledger and providers as the report does', () => {
    const page = read('docs/operating.md');
    for (const [name, { sentence, whatToDo }] of Object.entries(DIFFERENCES))
      expect(page).toContain(`| \`${name}\` | ${sentence} | ${whatToDo} |`);
  });

  it('names every state of a workflow', () => {
    const page = read('docs/operating.md');
    const sources = readdirSync(join(ROOT, 'workflows')).filter((name) => name.endsWith('.ts'));
    const states = sources
      .flatMap((name) => [...read(`workflows/${name}`).matchAll(/(?:show|set|BillingState(?:<.*?>)?)\(\s*'(\w+)'/g)])
      .map(([, state]) => state as string);
    expect(states).toEqual(expect.arrayContaining(['stopping_machine', 'looking', 'withdrawn', 'comparing']));
    for (const state of new Set(states)) expect(page, state).toContain(`\`${state}\``);
  });
});
