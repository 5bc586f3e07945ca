import { type Html, html, page, time } from '../page.ts';
import { machineOf, type PlatformEvent } from './event.ts';
import type { Mode } from './mode.ts';

/** The page of stopped machines and received events. */
export function platformPage(events: readonly PlatformEvent[], mode: Mode): Html {
  const newestFirst = events.toReversed();
  const fare = typeof mode === 'string' ? mode : JSON.stringify(mode);
  return page(
    'Platform stand-in',
    html`<header><h1>Platform stand-in</h1><p>Hears what a GPU platform would hear from Burnrate. Mode: ${fare}.</p></header>
<main>
  ${stoppedMachines(events)}
  <table>
    <thead><tr><th>Event</th><th>About</th><th>Delivery</th><th>Answered</th><th>Received</th></tr></thead>
    <tbody>${newestFirst.map(row)}</tbody>
  </table>
</main>`,
  );
}

/** Each machine once. Only signed and confirmed orders count, because other orders stopped nothing. */
function stoppedMachines(events: readonly PlatformEvent[]): Html {
  const orders = events.filter(({ type, verified, ok }) => type === 'instance.terminate' && verified && ok);
  const machines = new Map(orders.map((order) => [machineOf(order), order]));
  if (machines.size === 0) return html`<p class="empty">No machine was told to stop.</p>`;
  const rows = [...machines].map(
    ([machine, order]) => html`<tr><td>${machine}</td><td>${reasonOf(order)}</td><td>${time(order.at)}</td></tr>`,
  );
  return html`<table>
    <thead><tr><th>Machine told to stop</th><th>Reason</th><th>Last told</th></tr></thead>
    <tbody>${rows}</tbody>
  </table>`;
}

const row = (event: PlatformEvent): Html => html`<tr>
  <td>${event.type}</td>
  <td>${machineOf(event)}</td>
  <td class="dim">${event.id}</td>
  <td>${answer(event)}</td>
  <td>${time(event.at)}</td>
</tr>`;

function answer({ ok, verified, answered }: PlatformEvent): Html {
  if (!verified) return html`<span class="bad">${answered ?? 'nobody'}, not signed by us</span>`;
  return html`<span class="${ok ? 'good' : 'bad'}">${answered ?? 'the sender had gone'}</span>`;
}

const reasonOf = ({ data }: PlatformEvent): string => (typeof data.reason === 'string' ? data.reason : '');
