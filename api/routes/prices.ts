/** The GPU price list: reads for teams, changes for operators. */
import { BillingError } from '../../billing/errors.ts';
import { formatSecond } from '../../billing/time.ts';
import { gpuPricesInForce, listGpuPrices } from '../../prisma/prices.ts';
import { inSnapshot } from '../../prisma/snapshot.ts';
import { getTeam } from '../../prisma/teams.ts';
import type { Wakes } from '../engine/wakes.ts';
import { actorOf, mustSee, teamOfCaller } from '../http/calls.ts';
import { parse } from '../http/messages.ts';
import { type Route, route } from '../http/route.ts';
import { Dollars, Id, listOf, pageQuery, pageRequest, Second, Time, viewPage, z } from '../http/schemas.ts';
import { discountOf } from '../views/discount.ts';
import {
  GpuPriceBody,
  GpuPriceRow,
  ListedGpuPrice,
  viewGpuPrice,
  viewGpuPriceRow,
  viewListedGpuPrice,
} from '../views/price.ts';
import type { ApiWorld } from '../world.ts';

const NAME = /^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/;
const Name = z.string().regex(NAME, 'must be 1 to 64 of A-Z a-z 0-9 . _ -, the first a letter or digit');
const GpuType = Name.openapi({ example: 'h100-80gb' });
const Region = Name.openapi({ example: 'eu-west-1' });
const GpuPath = z.object({ gpuType: GpuType, region: Region });

/** PUT creates the price, so malformed names are 400 and not 404. */
const asked = (example: string) => z.string().openapi({ pattern: NAME.source, example });
const NewGpuPath = z.object({ gpuType: asked('h100-80gb'), region: asked('eu-west-1') });

/** The form of row numbers that the database makes. */
const ROW_NUMBER = /^\d{1,18}$/;

const NewGpuPrice = z.object({
  onDemand: Dollars,
  spot: Dollars,
  reserved: z
    .strictObject({ '1m': Dollars, '3m': Dollars, '6m': Dollars, '12m': Dollars })
    .openapi({ description: 'each 30 to 50 % below onDemand' }),
  effectiveFrom: Second.optional().openapi({ description: 'not in the past; default: now' }),
});

const wakeTeams = (wake: Wakes, teamIds: string[]) => wake(...teamIds.map((id) => ({ what: 'watch' as const, id })));

const list = ({ db, settings }: ApiWorld): Route =>
  route({
    method: 'get',
    path: '/v1/prices',
    tag: 'Prices',
    summary: 'List the present prices of GPUs per hour, by type and region, and a team’s own prices',
    who: 'read',
    query: z.object({
      team: Id.optional().openapi({
        description: 'the team whose discount is shown; with a team’s key, its own team',
      }),
      gpuType: GpuType.optional(),
      region: Region.optional(),
    }),
    answer: { status: 200, schema: z.object({ data: z.array(ListedGpuPrice) }) },
    handle: async ({ query: { team, gpuType, region }, call }) => {
      if (team !== undefined) mustSee(call, team, 'team', 'team');
      const teamId = teamOfCaller(call.caller) ?? team;
      if (teamId !== undefined) await getTeam(db, teamId);
      const second = call.receivedSecond;
      return inSnapshot(db, async (tx) => {
        const discount =
          teamId === undefined ? { basisPoints: 0, kind: null } : await discountOf(tx, settings, teamId, second);
        const list = (await gpuPricesInForce(tx, second)).filter(
          (price) =>
            (gpuType === undefined || price.gpuType === gpuType) && (region === undefined || price.region === region),
        );
        return { status: 200, body: { data: list.map((price) => viewListedGpuPrice(price, discount)) } };
      });
    },
  });

const put = ({ ledger }: ApiWorld, wake: Wakes): Route =>
  route({
    method: 'put',
    path: '/v1/prices/{gpuType}/{region}',
    tag: 'Prices',
    summary:
      'Set the prices of a GPU type in a region, from now or from a future second; running spot instances follow',
    who: 'platform',
    params: NewGpuPath,
    body: NewGpuPrice,
    answer: { status: 200, schema: GpuPriceBody },
    fails: ['amount_out_of_range', 'at_out_of_range'],
    handle: async ({ params, body, call }) => {
      const price = {
        ...parse(GpuPath, params, 'path'),
        onDemandMicros: body.onDemand,
        spotMicros: body.spot,
        reservedMicros: body.reserved,
      };
      const { effectiveSecond, teamIds } = await ledger.changeGpuPrice({
        price,
        effectiveFromSecond: body.effectiveFrom ?? null,
        actor: actorOf(call),
        nowSecond: call.receivedSecond,
      });
      await wakeTeams(wake, teamIds);
      return { status: 200, body: viewGpuPrice({ ...price, effectiveSecond }) };
    },
  });

const remove = ({ ledger }: ApiWorld, wake: Wakes): Route =>
  route({
    method: 'delete',
    path: '/v1/prices/{gpuType}/{region}',
    tag: 'Prices',
    summary: 'Remove a GPU type in a region from the list, with all its future prices; running instances continue',
    who: 'platform',
    params: GpuPath,
    answer: {
      status: 200,
      schema: z.object({ ...GpuPath.shape, withdrawnFrom: Time }).openapi('GpuPriceWithdrawn'),
    },
    handle: async ({ params, call }) => {
      const withdrawal = { pair: params, actor: actorOf(call), nowSecond: call.receivedSecond };
      const { effectiveSecond, teamIds } = await ledger.withdrawGpuPrice(withdrawal);
      await wakeTeams(wake, teamIds);
      return { status: 200, body: { ...params, withdrawnFrom: formatSecond(effectiveSecond) } };
    },
  });

const history = ({ db }: ApiWorld): Route =>
  route({
    method: 'get',
    path: '/v1/prices/{gpuType}/{region}/history',
    tag: 'Prices',
    summary: 'List past, present and future prices of a GPU type in a region, latest first',
    who: 'platform',
    params: GpuPath,
    query: pageQuery(ROW_NUMBER),
    answer: { status: 200, schema: listOf(GpuPriceRow) },
    handle: async ({ params, query }) => {
      const page = await listGpuPrices(db, params, pageRequest(query));
      if (page.data.length === 0 && query.cursor === undefined)
        throw new BillingError('not_found', 'this gpuType was never listed in this region', 'gpuType');
      return { status: 200, body: viewPage(page, viewGpuPriceRow) };
    },
  });

export const prices = (world: ApiWorld, wake: Wakes): Route[] => [
  list(world),
  put(world, wake),
  remove(world, wake),
  history(world),
];
