import { invalidRequest } from './errors.ts';

type Searchable = Record<string, unknown> & { metadata: Record<string, string> };

const CLAUSE =
  /^(-?)(?:metadata\[(["'])(.*?)\2\]|([a-z_.]+))\s*(:|<=|>=|<|>|~)\s*(?:(["'])((?:\\.|(?!\6).)*)\6|(null|-?\d+))/;

/** Stripe's search language, for fields and metadata: `metadata['order']:'6735' AND status:'succeeded'`. */
export function parseSearch(resource: string, query: string, fields: string[]): (object: Searchable) => boolean {
  const clauses: ((object: Searchable) => boolean)[] = [];
  const joiners = new Set<string>();
  let rest = query.trim();
  while (rest !== '') {
    const match = CLAUSE.exec(rest);
    if (!match) throw unreadable(query);
    const [whole, minus, , metadataKey, field, operator = ':', , quoted, bare] = match;
    if (field !== undefined && !fields.includes(field))
      throw invalidRequest(
        `Field \`${field}\` is an unsupported search field for resource \`${resource}\`. See https://stripe.com/docs/search#query-fields-for-${resource.replaceAll('_', '-')} for a list of supported fields.`,
        { param: 'query' },
      );
    const wanted = quoted?.replaceAll(/\\(.)/g, '$1') ?? bare ?? '';
    const read = (object: Searchable) =>
      metadataKey === undefined ? object[field ?? ''] : object.metadata[metadataKey];
    const fits = (object: Searchable) => compare(read(object), operator, wanted, bare === 'null');
    clauses.push(minus === '-' ? (object) => !fits(object) : fits);
    rest = rest.slice(whole.length);
    const joiner = /^\s+(?:(AND|OR)\s+)?/i.exec(rest);
    if (rest !== '' && !joiner) throw unreadable(query);
    if (joiner) {
      joiners.add(joiner[1]?.toUpperCase() ?? 'AND');
      rest = rest.slice(joiner[0].length);
      if (rest === '' && joiner[1]) throw unreadable(query);
    }
  }
  if (clauses.length === 0) throw unreadable(query);
  if (joiners.size > 1) throw invalidRequest('You cannot combine AND and OR in one search query.', { param: 'query' });
  return (object) =>
    joiners.has('OR') ? clauses.some((clause) => clause(object)) : clauses.every((clause) => clause(object));
}

function compare(actual: unknown, operator: string, wanted: string, wantsNull: boolean): boolean {
  if (wantsNull) return actual === undefined || actual === null || actual === '';
  if (actual === undefined || actual === null) return false;
  switch (operator) {
    case '<':
      return Number(actual) < Number(wanted);
    case '<=':
      return Number(actual) <= Number(wanted);
    case '>':
      return Number(actual) > Number(wanted);
    case '>=':
      return Number(actual) >= Number(wanted);
    case '~':
      return String(actual).toLowerCase().includes(wanted.toLowerCase());
    default:
      return String(actual).toLowerCase() === wanted.toLowerCase();
  }
}

function unreadable(query: string) {
  return invalidRequest(`We were unable to parse your search query: ${query}`, { param: 'query' });
}
