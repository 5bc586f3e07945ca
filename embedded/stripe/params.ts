import { invalidRequest, parameterMissing, parameterUnknown } from './errors.ts';

/** Parameters as received, form-encoded with nested brackets: every leaf is a string. */
export type Form = Record<string, unknown>;

/**
 * Reads one parameter for an endpoint, or refuses the parameter in Stripe's words. `name` is in Stripe's notation:
 * `card[exp_month]`.
 */
export type Rule<T> = (given: unknown, name: string) => T;
export interface RequiredRule<T> {
  (given: unknown, name: string): T;
  required: true;
}
// biome-ignore lint/suspicious/noExplicitAny: a field may hold a rule of any answer; Params<> reads each one's own.
export type Fields = Record<string, Rule<any> | RequiredRule<any>>;
export type Params<F extends Fields> = {
  [K in keyof F]: F[K] extends RequiredRule<infer T> ? T : F[K] extends Rule<infer T> ? T | undefined : never;
};

export function required<T>(rule: Rule<T>): RequiredRule<T> {
  return Object.assign((given: unknown, name: string) => rule(given, name), { required: true as const });
}

/** All parameters of a hash, each by its rule. A parameter without a rule is refused, like at Stripe. */
export function readParams<F extends Fields>(fields: F, form: Form, inside?: string): Params<F> {
  const nameOf = (key: string) => (inside === undefined ? key : `${inside}[${key}]`);
  const unknown = Object.keys(form).filter((key) => !Object.hasOwn(fields, key));
  if (unknown.length > 0) throw parameterUnknown(unknown.map(nameOf));
  const read: Record<string, unknown> = {};
  for (const [key, rule] of Object.entries(fields)) {
    const given = form[key];
    if (given !== undefined) read[key] = rule(given, nameOf(key));
    else if ('required' in rule) throw parameterMissing(nameOf(key));
  }
  return read as Params<F>;
}

export const text: Rule<string> = (given, name) => {
  if (typeof given !== 'string') throw invalidRequest('Invalid string', { param: name });
  if (given === '') throw emptyString(name);
  if (given.length > 5000) throw invalidRequest('Invalid string: must be at most 5000 characters', { param: name });
  return given;
};

/** A string; an empty string unsets the value, and the answer is then null. */
export const clearable =
  <T>(rule: Rule<T>): Rule<T | null> =>
  (given, name) =>
    given === '' ? null : rule(given, name);

export const integer =
  (least = 0, most = Number.MAX_SAFE_INTEGER): Rule<number> =>
  (given, name) => {
    if (given === '') throw emptyString(name);
    if (typeof given !== 'string' || !/^[+-]?\d+$/.test(given)) throw invalidInteger(`Invalid integer: ${given}`, name);
    const value = Number(given);
    if (value < least) throw invalidInteger(`This value must be greater than or equal to ${least}.`, name);
    if (value > most) throw invalidInteger(`This value must be less than or equal to ${most}.`, name);
    return value;
  };

export const boolean: Rule<boolean> = (given, name) => {
  if (given === 'true') return true;
  if (given === 'false') return false;
  throw invalidRequest(`Invalid boolean: ${given}`, { param: name });
};

export const oneOf =
  <const T extends string>(...choices: T[]): Rule<T> =>
  (given, name) => {
    const chosen = choices.find((choice) => choice === given);
    if (chosen !== undefined) return chosen;
    const last = choices.at(-1);
    const list = choices.length < 2 ? last : `${choices.slice(0, -1).join(', ')}, or ${last}`;
    throw invalidRequest(`Invalid ${name}: must be ${choices.length < 2 ? '' : 'one of '}${list}`, { param: name });
  };

export const list =
  <T>(rule: Rule<T>): Rule<T[]> =>
  (given, name) => {
    // `line_items[0][…]` past qs's own limits arrives as a hash of numbered keys; Stripe reads both as an array.
    const items = Array.isArray(given) ? given : isHash(given) ? Object.values(given) : undefined;
    if (items === undefined) throw invalidRequest('Invalid array', { param: name });
    return items.map((item, index) => rule(item, `${name}[${index}]`));
  };

export const hash =
  <F extends Fields>(fields: F): Rule<Params<F>> =>
  (given, name) => {
    if (!isHash(given)) throw invalidRequest('Invalid object', { param: name });
    return readParams(fields, given, name);
  };

/** `null` unsets all keys; an empty value unsets its own key. */
export type MetadataPatch = Record<string, string> | null;

export const metadata: Rule<MetadataPatch> = (given, name) => {
  if (given === '') return null;
  if (!isHash(given)) throw invalidRequest('Invalid metadata: metadata must be a hash', { param: name });
  const entries = Object.entries(given);
  if (entries.length > 50) throw invalidRequest('You may only specify up to 50 metadata keys.', { param: name });
  for (const [key, value] of entries) {
    if (key.length > 40)
      throw invalidRequest(`Metadata keys can be at most 40 characters; you passed '${key}'.`, { param: name });
    if (typeof value !== 'string')
      throw invalidRequest('Metadata values must be strings', { param: `${name}[${key}]` });
    if (value.length > 500) {
      const message = `Metadata values can have up to 500 characters, but you passed in a value that is ${value.length} characters.`;
      throw invalidRequest(message, { param: `${name}[${key}]` });
    }
  }
  return given as Record<string, string>;
};

export function patched(kept: Record<string, string> | null, patch: MetadataPatch | undefined): Record<string, string> {
  if (patch === undefined) return kept ?? {};
  if (patch === null) return {};
  return Object.fromEntries(Object.entries({ ...kept, ...patch }).filter(([, value]) => value !== ''));
}

export const email: Rule<string> = (given, name) => {
  const address = text(given, name);
  if (/^[^\s@]+@[^\s@]+\.[^\s@]+$/.test(address) && address.length <= 512) return address;
  throw invalidRequest(`Invalid email address: ${address}`, { code: 'email_invalid', param: name });
};

export const url: Rule<string> = (given, name) => {
  const address = text(given, name);
  if (/^[a-z][a-z0-9+.-]*:\/\/./i.test(address)) return address;
  throw invalidRequest('Not a valid URL', { code: 'url_invalid', param: name });
};

export interface Range {
  gt?: number | undefined;
  gte?: number | undefined;
  lt?: number | undefined;
  lte?: number | undefined;
}

/** `created=1700000000`, or `created[gte]=…&created[lt]=…`. */
export const range: Rule<Range> = (given, name) => {
  if (typeof given === 'string') {
    const at = integer()(given, name);
    return { gte: at, lte: at };
  }
  return hash({ gt: integer(), gte: integer(), lt: integer(), lte: integer() })(given, name);
};

/** A parameter accepted like at Stripe, without a visible effect in the stand-in. */
export const accepted: Rule<unknown> = (given) => given;

function isHash(given: unknown): given is Form {
  return given !== null && typeof given === 'object' && !Array.isArray(given);
}

function emptyString(name: string) {
  const message = `You passed an empty string for '${name}'. We assume empty values are an attempt to unset a parameter; however '${name}' cannot be unset. You should remove '${name}' from your request or supply a non-empty value.`;
  return invalidRequest(message, { code: 'parameter_invalid_empty', param: name });
}

function invalidInteger(message: string, param: string) {
  return invalidRequest(message, { code: 'parameter_invalid_integer', param });
}
