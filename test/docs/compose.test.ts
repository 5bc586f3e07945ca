/** Tests docker-compose.yml and .env.example against each other and against the variables of the processes. */
import { describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { DEFAULT_BRAND } from '../../activities/mail/brand.ts';
import { readConfig } from '../../process/config.ts';
import { SEARCH_ATTRIBUTES } from '../../workflows/messages.ts';
import { type Import, importsOf, read } from '../support/imports.ts';

interface Service {
  image: string;
  restart: string;
  build?: string;
  env_file?: string;
  environment?: Record<string, string>;
  command?: string[];
  networks?: string[];
  ports?: string[];
  healthcheck?: { test: string[] };
  depends_on?: Record<string, { condition: string }>;
  configs?: Array<{ source: string; target: string }>;
  volumes?: string[];
  profiles?: string[];
}
interface Compose {
  services: Record<string, Service>;
  networks: Record<string, unknown>;
  volumes: Record<string, unknown>;
  configs: Record<string, { content: string }>;
}

const text = read('docker-compose.yml');
const compose = parse(text, { merge: true }) as Compose;
const services = Object.entries(compose.services);

/** NAME=value lines; the value without its quotes. */
const example = new Map(
  read('.env.example')
    .split('\n')
    .flatMap((line) => {
      const [, name, value = ''] = /^([A-Z_]+)=(.*)$/.exec(line) ?? [];
      return name ? [[name, value.replace(/^"(.*)"$/, '$1')] as const] : [];
    }),
);

/** What the source of config.ts reads: the keys of its schema, and those of them that an empty environment lacks. */
const asked = [...read('process/config.ts').matchAll(/^ {2}([A-Z][A-Z_]+): /gm)].map((match) => match[1] as string);
const required = (() => {
  try {
    readConfig({});
    return [];
  } catch (error) {
    return [...(error as Error).message.matchAll(/([A-Z][A-Z_]+) is not set/g)].map((match) => match[1] as string);
  }
})();

const waitersFor = (name: string) =>
  services.filter(([, service]) => service.depends_on?.[name]?.condition === 'service_completed_successfully');

describe('docker-compose.yml', () => {
  it('pins every image', () => {
    for (const [name, { image }] of services) {
      expect(image, name).toMatch(/:v?\d+\.\d+/);
      expect(image, name).not.toContain('latest');
    }
    expect(read('Dockerfile')).toMatch(/^FROM node:20\.\d+\.\d+-\w+-slim$/m);
    expect(read('Dockerfile')).toMatch(/^USER node$/m);
  });

  it('has a health check for each service, or another service that waits for its end', () => {
    for (const [name, { healthcheck, restart, profiles }] of services) {
      // A service of a profile is a command that an operator runs.
      if (profiles) expect(restart, name).toBe('no');
      else if (healthcheck) expect(restart, name).toBe('unless-stopped');
      else {
        expect(waitersFor(name), `${name} is a one-shot that nobody waits for`).not.toHaveLength(0);
        expect(restart, name).toMatch(/^on-failure/);
      }
    }
  });

  it('waits only for conditions that can occur', () => {
    for (const [name, { depends_on = {} }] of services)
      for (const [other, { condition }] of Object.entries(depends_on)) {
        const needed = compose.services[other];
        expect(needed, `${name} waits for ${other}`).toBeDefined();
        if (condition === 'service_healthy') expect(needed?.healthcheck, other).toBeDefined();
        if (condition === 'service_completed_successfully') expect(needed?.healthcheck, other).toBeUndefined();
      }
  });

  it('names only its own networks, volumes and configs, and isolates the data network', () => {
    for (const [, { networks = [], volumes = [], configs = [] }] of services) {
      for (const network of networks) expect(compose.networks).toHaveProperty(network);
      for (const volume of volumes) expect(compose.volumes).toHaveProperty(volume.split(':')[0] as string);
      for (const { source } of configs) expect(compose.configs).toHaveProperty(source);
    }
    expect(compose.services.postgres?.networks).toEqual(['data']);
    expect(compose.services.temporal?.networks).toEqual(['data']);
    expect(compose.networks.data).toEqual({ internal: true });
  });

  it('allows any number of api and worker processes', () => {
    for (const name of ['api', 'worker']) {
      // A second container could bind none of them.
      expect(compose.services[name], name).not.toHaveProperty('ports');
      expect(compose.services[name], name).not.toHaveProperty('container_name');
      expect(compose.services[name]?.volumes, name).toBeUndefined();
    }
    const proxy = compose.services.proxy;
    expect(proxy?.ports).toEqual(['127.0.0.1:3000:3000']);
    expect(proxy?.depends_on).toHaveProperty('api');
    for (const network of proxy?.networks ?? []) expect(compose.services.api?.networks).toContain(network);
    const settings = compose.configs.proxy?.content ?? '';
    expect(settings).toContain(`server-template api- 20 api:${compose.services.api?.environment?.PORT}`);
    expect(settings).toContain('option httpchk GET /readyz');
    expect(read('README.md')).toMatch(/--scale api=\d+ --scale worker=\d+/);
  });

  it('answers with the api’s error while no api process is ready', () => {
    const answer = /http-error status 503 .* string "(.*)" hdr Retry-After 5/.exec(
      compose.configs.proxy?.content ?? '',
    );
    expect(JSON.parse((answer?.[1] ?? '').replaceAll('\\"', '"')).error.code).toBe('engine_unavailable');
  });

  it('publishes each port of the machine once', () => {
    const published = services.flatMap(([, { ports = [] }]) => ports.map((port) => port.split(':').at(-2)));
    expect(new Set(published).size).toBe(published.length);
  });

  it('publishes ports only on this machine', () => {
    for (const published of text.matchAll(/^\s+ports: (.*)$/gm)) expect(published[1]).toMatch(/^\["127\.0\.0\.1:/);
  });

  it('starts the api and the workers after the migrations and the search attributes', () => {
    for (const name of ['api', 'worker'])
      expect(compose.services[name]?.depends_on).toMatchObject({
        migrate: { condition: 'service_completed_successfully' },
        'temporal-namespace': { condition: 'service_completed_successfully' },
      });
    const [script = ''] = compose.services['temporal-namespace']?.command ?? [];
    for (const { name, type } of SEARCH_ATTRIBUTES) {
      expect(type).toBe('KEYWORD');
      expect(script).toContain(`--name ${name}`);
    }
  });

  it('runs commands whose files and packages the image has', () => {
    const { scripts, dependencies } = JSON.parse(read('package.json'));
    const copied = [...read('Dockerfile').matchAll(/^COPY (\w+) \1$/gm)].map((match) => match[1] as string);
    const pages = [...read('docs/operating.md').matchAll(/npm run (?:--silent )?([\w:]+)/g)].map(
      ([, name]) => name as string,
    );
    // The service `temporal-tools` has the CLI of Temporal.
    const named = [...new Set(pages)].filter((name) => name !== 'temporal');
    expect(named.sort()).toEqual(['db:migrate', 'reconcile', 'sql']);
    const fileOf = (name: string) => /^node --import tsx (\S+)$/.exec(scripts[name])?.[1] ?? `no file: ${name}`;
    const services = ['api', 'worker', 'migrate'].map((name) => compose.services[name]?.command?.[0] ?? '');
    const isThere = ({ of }: Import) =>
      of.endsWith('.ts') || of.endsWith('.json')
        ? copied.includes(of.split('/', 1)[0] ?? '')
        : of.startsWith('node:') || (/^(@[^/]+\/)?[^/]+/.exec(of)?.[0] ?? '') in dependencies;

    const toRead = [...named.map(fileOf), ...services];
    const loaded = new Set<string>();
    for (const file of toRead) {
      if (loaded.has(file)) continue;
      loaded.add(file);
      const imports = importsOf(file).filter(({ typeOnly }) => !typeOnly);
      expect(
        imports.filter((each) => !isThere(each)),
        file,
      ).toEqual([]);
      toRead.push(...imports.map(({ of }) => of).filter((of) => of.endsWith('.ts') && !of.includes('/generated/')));
    }
    expect(loaded.size).toBeGreaterThan(150);
  });

  it('gives the api and the workers every required variable', () => {
    expect(required.length).toBeGreaterThan(5);
    for (const name of ['api', 'worker']) {
      const service = compose.services[name];
      expect(service?.env_file).toBe('.env');
      for (const variable of required)
        expect(
          variable in (service?.environment ?? {}) || example.has(variable),
          `${name} is not given ${variable}`,
        ).toBe(true);
    }
  });

  it('connects the api and the workers as a role that owns no table, without the passwords of other roles', () => {
    const roles = compose.configs['roles-and-databases']?.content ?? '';
    for (const role of ['burnrate', 'burnrate_app', 'temporal']) expect(roles).toContain(`CREATE ROLE ${role} LOGIN`);
    expect(roles).toContain('CREATE DATABASE burnrate OWNER burnrate;');
    const { MIGRATE_DATABASE_URL: ownerUrl = '', DATABASE_URL: url = '' } = compose.services.migrate?.environment ?? {};
    expect(ownerUrl).toMatch(/^postgresql:\/\/burnrate:/);
    for (const name of ['api', 'worker']) {
      const environment = compose.services[name]?.environment ?? {};
      expect(environment.DATABASE_URL).toMatch(/^postgresql:\/\/burnrate_app:/);
      expect(environment.DATABASE_URL).toBe(url);
      expect(environment).not.toHaveProperty('MIGRATE_DATABASE_URL');
      // They are given all of .env, where these have values.
      for (const password of ['BURNRATE_DB_PASSWORD', 'POSTGRES_PASSWORD', 'TEMPORAL_DB_PASSWORD'])
        expect(environment[password], `${password} of ${name}`).toBe('');
    }
  });

  it('uses only variables of .env that .env.example names', () => {
    for (const [, variable] of text.matchAll(/(?<!\$)\$\{([A-Z_]+)/g)) expect([...example.keys()]).toContain(variable);
  });
});

describe('.env.example', () => {
  it('names every variable of process/config.ts', () => {
    expect(asked).toContain('DATABASE_URL');
    for (const variable of asked) expect([...example.keys()]).toContain(variable);
  });

  it('is a complete environment when its secrets are filled in', () => {
    const secrets = { STRIPE_SECRET_KEY: 'sk_test_x', STRIPE_WEBHOOK_SECRET: 'whsec_x' };
    const made = { BURNRATE_PLATFORM_KEY: 'k'.repeat(48), PLATFORM_WEBHOOK_SECRET: 's'.repeat(48) };
    const config = readConfig({ ...Object.fromEntries(example), ...secrets, ...made });
    expect(config.mail.from).toEqual({ name: 'Burnrate', address: 'billing@burnrate.example' });
    expect(config.mail.brand).toEqual(DEFAULT_BRAND);
  });

  it('has the default values', () => {
    const prefixes: Record<string, string> = { STRIPE_SECRET_KEY: 'sk_test_', STRIPE_WEBHOOK_SECRET: 'whsec_' };
    const made = (name: string) => `${prefixes[name] ?? ''}${'x'.repeat(20)}`;
    const needed = Object.fromEntries(required.map((name) => [name, example.get(name) || made(name)]));
    const asWritten = { ...Object.fromEntries(example), ...needed };
    const { temporal: _, ...defaults } = readConfig(needed);
    const { temporal: __, ...written } = readConfig(asWritten);
    expect(written).toEqual(defaults);
  });

  it('has no secret', () => {
    for (const [name, value] of example) if (/KEY$|SECRET$|PASSWORD$/.test(name)) expect(value, name).toBe('');
  });
});
