/**
 * Billing details: a team's company, address and tax id for papers. Each later paper freezes the details; earlier
 * papers do not change.
 */
import { formatSecond } from '../../billing/time.ts';
import {
  type BillingDetailsChange,
  type BillingDetails as BillingDetailsRow,
  currentBillingDetails,
  listBillingDetails,
  setBillingDetails,
} from '../../prisma/billing-details.ts';
import { actorOf } from '../http/calls.ts';
import { type Route, route } from '../http/route.ts';
import { listOf, pageQuery, pageRequest, TeamPath, Time, text, UUID, Version, viewPage, z } from '../http/schemas.ts';
import type { ApiWorld } from '../world.ts';

const MAX_ADDRESS = 300;
const MAX_ADDRESS_LINES = 8;
const UNPRINTABLE = /[^\P{Cc}\n]|\p{Cs}/u;

/** A field that is left out, null or blank is not printed. */
const blankIsNull = (value: unknown) => (typeof value === 'string' && value.trim() === '' ? null : value);
const line = (max: number, example: string) =>
  z
    .preprocess(
      blankIsNull,
      text(max)
        .transform((value) => value.trim())
        .nullish(),
    )
    .openapi({ type: ['string', 'null'], maxLength: max, example });

const Address = z
  .preprocess(
    (value) => blankIsNull(typeof value === 'string' ? value.replace(/\r\n?/g, '\n') : value),
    z
      .string()
      .max(MAX_ADDRESS)
      .refine((value) => !UNPRINTABLE.test(value), 'must not hold control characters other than line breaks')
      .transform((value) => value.split('\n').map((row) => row.trim()))
      .transform((rows) => rows.filter((row) => row !== ''))
      .refine((rows) => rows.length <= MAX_ADDRESS_LINES, `must have at most ${MAX_ADDRESS_LINES} lines`)
      .transform((rows) => rows.join('\n'))
      .nullish(),
  )
  .openapi({
    type: ['string', 'null'],
    maxLength: MAX_ADDRESS,
    description: `up to ${MAX_ADDRESS_LINES} lines, separated by line breaks`,
    example: '1 Main Street\n10115 Berlin\nGermany',
  });

const Email = z
  .preprocess(blankIsNull, z.email('must be an e-mail address such as "billing@acme.example"').max(254).nullish())
  .openapi({
    type: ['string', 'null'],
    maxLength: 254,
    description: 'an additional address for mails with a paper',
    example: 'accounts@acme.example',
  });

const Change = z.object({
  company: line(150, 'Acme Robotics GmbH').openapi({ description: 'the name on papers, in place of the team’s name' }),
  address: Address,
  taxId: line(60, 'DE123456789'),
  reference: line(60, 'PO-1234').openapi({ description: 'a reference of the team, such as a purchase order' }),
  email: Email,
  version: Version,
});

const Field = z.string().nullable();
const FIELDS = {
  company: Field,
  address: Field,
  taxId: Field,
  reference: Field,
  email: Field,
  version: z.number().int().openapi({ description: '0 if no details were ever set', example: 1 }),
};
const Details = z.object(FIELDS).openapi('BillingDetails');

const DetailsChange = z
  .object({
    ...FIELDS,
    at: Time,
    actor: z.string().openapi({
      description:
        'the id of the key that made the change, `user/` or `operator/` and the id of a person, or "platform"',
    }),
  })
  .openapi('BillingDetailsChange');

const viewChange = ({ second, actor, ...details }: BillingDetailsChange): z.input<typeof DetailsChange> => ({
  ...details,
  at: formatSecond(second),
  actor,
});

const getDetails = ({ db }: ApiWorld): Route =>
  route({
    method: 'get',
    path: '/v1/teams/{team}/billing-details',
    tag: 'Teams',
    summary: 'What a team wants on its papers: company, address, tax id, reference, and who gets them',
    who: 'read',
    params: TeamPath,
    answer: { status: 200, schema: Details },
    handle: async ({ params }) => ({ status: 200, body: await currentBillingDetails(db, params.team) }),
  });

const putDetails = ({ db }: ApiWorld): Route =>
  route({
    method: 'put',
    path: '/v1/teams/{team}/billing-details',
    tag: 'Teams',
    summary: 'Set the details for papers of later payments; a field that is left out is cleared',
    who: 'billing',
    params: TeamPath,
    body: Change,
    answer: { status: 200, schema: Details },
    fails: ['version_conflict'],
    handle: async ({ params, body: { version, ...fields }, call }) => {
      const { company = null, address = null, taxId = null, reference = null, email = null } = fields;
      const details: BillingDetailsRow = { company, address, taxId, reference, email };
      const change = { details, version, second: call.receivedSecond, actor: actorOf(call) };
      return { status: 200, body: await setBillingDetails(db, params.team, change) };
    },
  });

const listChanges = ({ db }: ApiWorld): Route =>
  route({
    method: 'get',
    path: '/v1/teams/{team}/billing-details/changes',
    tag: 'Teams',
    summary: 'List every change of the billing details, newest first, with the person, the time and the new details',
    who: 'read',
    params: TeamPath,
    query: pageQuery(UUID),
    answer: { status: 200, schema: listOf(DetailsChange) },
    handle: async ({ params, query }) => ({
      status: 200,
      body: viewPage(await listBillingDetails(db, params.team, pageRequest(query)), viewChange),
    }),
  });

export const billingDetails = (world: ApiWorld): Route[] => [getDetails(world), putDetails(world), listChanges(world)];
