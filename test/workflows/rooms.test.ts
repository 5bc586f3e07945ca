/**
 * Tests the dependencies between the folders of the project: imports point down, and workflows import only what
 * Temporal allows.
 */
import { describe, expect, it } from 'vitest';
import { bundleWorkflows } from '../../worker/workflow-bundle.ts';
import { allImportsOf, type Import, importsOf, read, sourcesOf, withoutComments } from '../support/imports.ts';

/** Rooms, lowest first; a room may know those below it. Those of one line stand beside each other. */
const FLOORS = [
  ['billing'],
  ['prisma'],
  ['ledger'],
  ['activities'],
  ['workflows'],
  ['process'],
  ['api', 'worker'],
  ['embedded'],
  ['simulate'],
  ['bench', 'prose'],
];
/** The product without its stand-ins and tools. */
const PRODUCT = FLOORS.slice(
  0,
  FLOORS.findIndex((rooms) => rooms.includes('embedded')),
).flat();
const floorOf = (room: string) => FLOORS.findIndex((rooms) => rooms.includes(room));
/** These need a client, which a workflow may not have; no workflow imports the first. */
const MAY_NEED_A_CLIENT = ['workflows/signals.ts', 'workflows/messages.ts'];

const roomOf = (path: string): string => path.split('/', 1)[0] ?? '';
const said = ({ file, of }: Import): string => `${file} imports ${of}`;

/** The first circle of imports, as the path that returns to its beginning. Null without a circle. */
function circleIn(imports: ReadonlyMap<string, readonly string[]>): string[] | null {
  const done = new Set<string>();
  const visit = (file: string, path: string[]): string[] | null => {
    if (path.includes(file)) return [...path.slice(path.indexOf(file)), file];
    if (done.has(file)) return null;
    for (const next of imports.get(file) ?? []) {
      const circle = visit(next, [...path, file]);
      if (circle) return circle;
    }
    done.add(file);
    return null;
  };
  for (const file of imports.keys()) {
    const circle = visit(file, []);
    if (circle) return circle;
  }
  return null;
}

describe('the workflows', () => {
  it('can be bundled: each of their imports is allowed in a workflow', async () => {
    const { code } = await bundleWorkflows();
    for (const story of ['instance', 'balanceWatch', 'autoTopUp', 'deposit', 'notice'])
      expect(code).toMatch(new RegExp(`function ${story}\\(`));
  });

  it('import only types from activities, the ledger and tables', () => {
    const byValue = allImportsOf('workflows').filter(
      ({ of, typeOnly }) => !typeOnly && ['activities', 'ledger', 'prisma'].includes(roomOf(of)),
    );
    expect(byValue.map(said)).toEqual([]);
  });

  it('import values only from the money rules, the workflows and Temporal’s workflow package', () => {
    const others = allImportsOf('workflows').filter(
      ({ file, of, typeOnly }) =>
        !typeOnly &&
        !['billing', 'workflows'].includes(roomOf(of)) &&
        !['@temporalio/workflow', '@temporalio/common'].includes(of) &&
        !(MAY_NEED_A_CLIENT.includes(file) && of === '@temporalio/client'),
    );
    expect(others.map(said)).toEqual([]);
  });

  it('do not import signals.ts, which needs a client', () => {
    const wrong = allImportsOf('workflows').filter(({ of }) => of === 'workflows/signals.ts');
    expect(wrong.map(said)).toEqual([]);
  });

  it('are imported by callers only through their messages, their start options and their wakes', () => {
    const known = ['messages.ts', 'start-options.ts', 'signals.ts', 'index.ts'].map((file) => `workflows/${file}`);
    const others = ['api', 'worker']
      .flatMap(allImportsOf)
      .filter(({ of }) => roomOf(of) === 'workflows' && !known.includes(of));
    expect(others.map(said)).toEqual([]);
  });
});

describe('the money rules', () => {
  it('import nothing from outside their folder', () => {
    const outside = allImportsOf('billing').filter(({ of }) => roomOf(of) !== 'billing' || !of.endsWith('.ts'));
    expect(outside.map(said)).toEqual([]);
  });

  it.each([
    ['the clock', /\bDate\.now\b|\bnew Date\(\s*\)|\bperformance\b|\bhrtime\b/],
    ['chance', /\bMath\.random\b|\bcrypto\.(?!ts\b)|\brandomUUID\b/],
    ['the process or a timer', /\bprocess\.|\bset(?:Timeout|Interval|Immediate)\b|\brequire\(/],
  ])('do not use %s', (_, forbidden) => {
    const knowing = sourcesOf('billing').filter((file) => forbidden.test(withoutComments(read(file))));
    expect(knowing).toEqual([]);
  });
});

describe('the folders of the project', () => {
  const rooms = FLOORS.flat();

  it('are read correctly: each has files, and a known import of each kind is found', () => {
    for (const room of rooms) expect(sourcesOf(room).length, room).toBeGreaterThan(0);
    const found = importsOf('workflows/instance.ts');
    expect(found).toContainEqual({
      file: 'workflows/instance.ts',
      typeOnly: true,
      of: 'ledger/instances.ts',
    });
    expect(found).toContainEqual({ file: 'workflows/instance.ts', typeOnly: false, of: 'workflows/messages.ts' });
    expect(found).toContainEqual({ file: 'workflows/instance.ts', typeOnly: false, of: '@temporalio/workflow' });
  });

  it.each(rooms)('%s imports from no higher folder, and from no other folder of its floor', (room) => {
    const wrong = allImportsOf(room).filter(({ of }) => roomOf(of) !== room && floorOf(roomOf(of)) >= floorOf(room));
    expect(wrong.map(said)).toEqual([]);
  });

  it('of the api import from no later folder: the common parts of calls know no route', () => {
    const order = [['http', 'reference'], ['views'], ['engine'], ['webhooks'], ['routes']];
    const placeOf = (path: string) => order.findIndex((folders) => folders.includes(path.split('/')[1] ?? ''));
    const wrong = allImportsOf('api').filter(({ file, of }) => placeOf(file) >= 0 && placeOf(of) > placeOf(file));
    expect(wrong.map(said)).toEqual([]);
    for (const folder of order.flat()) expect(sourcesOf(`api/${folder}`).length, folder).toBeGreaterThan(0);
  });

  it.each(rooms)('%s has no circle of imports between its files', (room) => {
    expect(circleIn(new Map(sourcesOf(room).map((file) => [file, importsOf(file).map(({ of }) => of)])))).toBeNull();
  });

  it('are searched for circles of any length', () => {
    const files: Record<string, string[]> = { a: ['b'], b: ['d', 'c'], c: ['b'], d: [] };
    expect(circleIn(new Map(Object.entries(files)))).toEqual(['b', 'c', 'b']);
    expect(circleIn(new Map(Object.entries({ ...files, c: ['d'] })))).toBeNull();
  });

  it('of the product import from no stand-ins, tools or tests', () => {
    const wrong = PRODUCT.flatMap(allImportsOf).filter(({ of }) =>
      ['embedded', 'simulate', 'bench', 'prose', 'test'].includes(roomOf(of)),
    );
    expect(wrong.map(said)).toEqual([]);
  });
});
