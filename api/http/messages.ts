/** The faults of a request in words, each with the name of its argument. */
import { z } from 'zod';
import { BillingError } from '../../billing/errors.ts';
import { didYouMean, orList } from './nearest.ts';

export interface Problem {
  param: string;
  /** A sentence that begins with the name of the argument. */
  message: string;
}

/** A request with one fault or more. `param` and the error's own `message` come from the faults. */
export class InvalidRequest extends BillingError {
  readonly problems: readonly Problem[];

  constructor(problems: readonly [Problem, ...Problem[]]) {
    super('invalid_request', problems.map(({ message }) => message).join('; '), problems[0].param);
    this.problems = problems;
  }
}

/** An argument that a rule of the call requires, beyond the schema of the request. */
export const required = (param: string): Problem => ({ param, message: `${param} is required` });

/** Further faults are left out, because thousands of wrong values in a body have one cause. */
const MOST_PROBLEMS = 20;
const LONGEST_VALUE = 40;
const LONGEST_NAME = 100;

/** Twelve digits or more may be a card number, and a card number must not be repeated in an answer. */
const CARD_NUMBER = /(?:\d[ -]?){12,}/;
const UNSEEN = /(?! )[\p{C}\p{Z}]/u;

/** Text of the caller, safe to show: cut, and with invisible characters escaped. */
export function shown(text: string, longest = LONGEST_NAME): string {
  const cut = [...text].slice(0, longest).join('');
  const escaped = [...cut]
    .map((letter) => (UNSEEN.test(letter) ? `\\u${letter.codePointAt(0)?.toString(16).padStart(4, '0')}` : letter))
    .join('');
  return cut.length < text.length ? `${escaped}…` : escaped;
}

/** `, not "cheap"`: the sent value, where the value helps and may be shown. */
function notThis(value: unknown): string {
  if (typeof value === 'string') return CARD_NUMBER.test(value) ? '' : `, not "${shown(value, LONGEST_VALUE)}"`;
  if (typeof value === 'number') return `, not the number ${value}`;
  if (typeof value === 'boolean' || value === null) return `, not ${value}`;
  if (Array.isArray(value)) return ', not a list';
  return typeof value === 'object' ? ', not an object' : '';
}

const count = (number: number | bigint): string => number.toString().replace(/\B(?=(\d{3})+$)/g, ',');
const several = (number: number | bigint, noun: string): string => `${count(number)} ${noun}${number === 1 ? '' : 's'}`;

const KINDS: Record<string, string> = {
  string: 'a string',
  number: 'a number',
  int: 'a whole number',
  boolean: 'true or false',
  array: 'a list',
  object: 'a JSON object',
  record: 'a JSON object',
};

/** The part of a sentence after the name of an argument, for schemas without their own words. */
const words: z.core.$ZodErrorMap = (issue) => {
  switch (issue.code) {
    case 'invalid_type':
      return `must be ${KINDS[issue.expected] ?? issue.expected}`;
    case 'invalid_value':
      return `must be ${orList(issue.values.map(String))}`;
    case 'too_small':
      if (issue.origin === 'string')
        return issue.minimum === 1 ? 'must not be empty' : `must have at least ${several(issue.minimum, 'character')}`;
      if (issue.origin === 'array') return `must hold at least ${several(issue.minimum, 'item')}`;
      return `must be at least ${count(issue.minimum)}`;
    case 'too_big':
      if (issue.origin === 'string') return `must have at most ${several(issue.maximum, 'character')}`;
      if (issue.origin === 'array') return `must hold at most ${several(issue.maximum, 'item')}`;
      if (issue.note !== undefined) return 'must be a whole number that JSON carries exactly';
      return `must be at most ${count(issue.maximum)}`;
    case 'invalid_union':
      // The last of the permitted forms is the usual one.
      return issue.errors.at(-1)?.[0]?.message ?? 'is not valid';
    case 'invalid_key':
      return `has a name that ${issue.issues[0]?.message ?? 'is not valid'}`;
    default:
      return 'is not valid';
  }
};

/** The schema at a path, without wrappers. */
function schemaAt(schema: z.ZodType, path: readonly PropertyKey[]): z.ZodType | undefined {
  const bare = unwrapped(schema);
  const [step, ...rest] = path;
  if (step === undefined) return bare;
  if (bare instanceof z.ZodObject) {
    const next = bare.shape[String(step)] as z.ZodType | undefined;
    return next && schemaAt(next, rest);
  }
  return bare instanceof z.ZodArray ? schemaAt(bare.element as z.ZodType, rest) : undefined;
}

function unwrapped(schema: z.ZodType): z.ZodType {
  if (schema instanceof z.ZodOptional || schema instanceof z.ZodNullable || schema instanceof z.ZodDefault)
    return unwrapped(schema.unwrap() as z.ZodType);
  if (schema instanceof z.ZodPipe) return unwrapped(schema.in as z.ZodType);
  if (schema instanceof z.ZodUnion) return unwrapped(schema.options[0] as z.ZodType);
  return schema;
}

const nounOf = (whole: string): string => (whole === 'query' ? 'parameter' : 'field');

function unknownNames(schema: z.ZodType, issue: z.core.$ZodIssueUnrecognizedKeys, whole: string): Problem[] {
  const at = schemaAt(schema, issue.path);
  const names = at instanceof z.ZodObject ? Object.keys(at.shape) : [];
  return issue.keys.map((key) => {
    const param = [...issue.path.map(String), shown(key)].join('.');
    const hint = didYouMean(key, names) || (names.length === 0 ? '; it takes none' : `; it takes ${names.join(', ')}`);
    return { param, message: `unknown ${nounOf(whole)} ${param}${hint}` };
  });
}

/** Marks an issue whose words already show the sent value. */
export const WHOLE = { whole: true };
const isWhole = (issue: z.core.$ZodIssue): boolean => issue.code === 'custom' && issue.params?.whole === true;

/** The codes of an argument that is absent. */
const ABSENT = new Set(['invalid_type', 'invalid_value', 'invalid_union']);

function problemOf(issue: z.core.$ZodIssue, whole: string): Problem {
  const param = shown(issue.path.map(String).join('.')) || whole;
  if (issue.input === undefined && ABSENT.has(issue.code)) return required(param);
  if (whole === 'query' && Array.isArray(issue.input) && !isWhole(issue))
    return { param, message: `${param} is sent ${issue.input.length} times: send it once` };
  const subject = param === whole ? `the ${whole}` : param;
  const isLong = issue.code === 'too_big' && issue.origin === 'string';
  return { param, message: `${subject} ${issue.message}${isLong || isWhole(issue) ? '' : notThis(issue.input)}` };
}

/** Every fault of a value, one for each argument. Empty for a valid value. */
export function problemsOf(schema: z.ZodType, value: unknown, whole: string): Problem[] {
  const { error } = schema.safeParse(value, { error: words, reportInput: true });
  const problems = new Map<string, Problem>();
  for (const issue of error?.issues ?? [])
    for (const problem of issue.code === 'unrecognized_keys'
      ? unknownNames(schema, issue, whole)
      : [problemOf(issue, whole)])
      if (!problems.has(problem.param) && problems.size < MOST_PROBLEMS) problems.set(problem.param, problem);
  return [...problems.values()];
}

/**
 * Reads a caller's request.
 * @param whole the name of the value for callers: `body`, `query`
 * @throws InvalidRequest naming every argument at fault
 */
export function parse<S extends z.ZodType>(schema: S, value: unknown, whole: string): z.output<S> {
  const result = schema.safeParse(value);
  if (result.success) return result.data;
  const [first, ...rest] = problemsOf(schema, value, whole);
  throw new InvalidRequest([first ?? { param: whole, message: `the ${whole} is not valid` }, ...rest]);
}
