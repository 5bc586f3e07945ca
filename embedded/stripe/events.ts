import { endpoint } from './endpoint.ts';
import { listPage, pagination, within } from './lists.ts';
import { named } from './named.ts';
import { boolean, list, range, text } from './params.ts';

const retrieve = endpoint('GET /v1/events/:id', {}, (world, _params, { id }) => named(world, 'events', id));

const index = endpoint(
  'GET /v1/events',
  { ...pagination, created: range, type: text, types: list(text), delivery_success: boolean },
  (world, { created, type, types, delivery_success, ...page }) =>
    listPage('/v1/events', world.state.events.values(), page, 'event', (event) => {
      return (
        within(created, event.created) &&
        (type === undefined || eventFits(event.type, type)) &&
        (types === undefined || types.includes(event.type)) &&
        (delivery_success === undefined || delivery_success === (event.pending_webhooks === 0))
      );
    }),
);

/** `charge.*` is every event of charges. */
export function eventFits(type: string, pattern: string): boolean {
  return pattern.endsWith('*') ? type.startsWith(pattern.slice(0, -1)) : type === pattern;
}

export const eventEndpoints = [index, retrieve];
