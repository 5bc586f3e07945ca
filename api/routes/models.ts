/** The price list of models: dollars per million tokens. */
import { formatSecond } from '../../billing/time.ts';
import { modelPricesInForce } from '../../prisma/prices.ts';
import { actorOf } from '../http/calls.ts';
import { parse } from '../http/messages.ts';
import { type Route, route } from '../http/route.ts';
import { Dollars, Second, Time, z } from '../http/schemas.ts';
import { ListedModel, ModelPriceBody, viewListedModel, viewModelPrice } from '../views/price.ts';
import type { ApiWorld } from '../world.ts';

/** May contain a slash, as in `vendor/model`; a path writes the slash as `%2F`. */
const MODEL = /^[A-Za-z0-9][A-Za-z0-9._:/-]{0,99}$/;
const EXAMPLE = 'llama-3.3-70b-instruct';
const ModelPath = z.object({
  model: z
    .string()
    .regex(MODEL, 'must be 1 to 100 of A-Z a-z 0-9 . _ : / -, the first a letter or digit')
    .openapi({ example: EXAMPLE }),
});
/** PUT creates the model, so a malformed name is 400 and not 404. */
const NewModelPath = z.object({ model: z.string().openapi({ pattern: MODEL.source, example: EXAMPLE }) });

const list = ({ db }: ApiWorld): Route =>
  route({
    method: 'get',
    path: '/v1/models',
    tag: 'Prices',
    summary: 'List the models, with their present prices per million tokens',
    who: 'read',
    answer: { status: 200, schema: z.object({ data: z.array(ListedModel) }) },
    handle: async ({ call }) => {
      const list = await modelPricesInForce(db, call.receivedSecond);
      return { status: 200, body: { data: list.map(viewListedModel) } };
    },
  });

const put = ({ ledger }: ApiWorld): Route =>
  route({
    method: 'put',
    path: '/v1/models/{model}',
    tag: 'Prices',
    summary: 'Set a model’s token prices, from now or from a future second; usage of earlier seconds keeps its price',
    who: 'platform',
    params: NewModelPath,
    body: z.object({
      input: Dollars,
      output: Dollars,
      effectiveFrom: Second.optional().openapi({ description: 'not in the past; default: now' }),
    }),
    answer: { status: 200, schema: ModelPriceBody },
    fails: ['amount_out_of_range', 'at_out_of_range'],
    handle: async ({ params, body, call }) => {
      const price = {
        ...parse(ModelPath, params, 'path'),
        inputMicrosPerMillion: body.input,
        outputMicrosPerMillion: body.output,
      };
      const effectiveSecond = await ledger.changeModelPrice({
        price,
        effectiveFromSecond: body.effectiveFrom ?? null,
        actor: actorOf(call),
        nowSecond: call.receivedSecond,
      });
      return { status: 200, body: viewModelPrice({ ...price, effectiveSecond }) };
    },
  });

const remove = ({ ledger }: ApiWorld): Route =>
  route({
    method: 'delete',
    path: '/v1/models/{model}',
    tag: 'Prices',
    summary: 'Remove a model from the list, with all its future prices; usage of earlier seconds keeps its price',
    who: 'platform',
    params: ModelPath,
    answer: { status: 200, schema: z.object({ id: z.string(), withdrawnFrom: Time }).openapi('ModelWithdrawn') },
    handle: async ({ params: { model }, call }) => {
      const withdrawal = { model, actor: actorOf(call), nowSecond: call.receivedSecond };
      const withdrawnFrom = formatSecond(await ledger.withdrawModelPrice(withdrawal));
      return { status: 200, body: { id: model, withdrawnFrom } };
    },
  });

export const models = (world: ApiWorld): Route[] => [list(world), put(world), remove(world)];
