/** The page of a stand-in at `/`: its purpose, its pages, and its controls. */
import type { Router } from 'express';
import { type Html, html, page } from './page.ts';

export interface Welcome {
  title: string;
  /** A sentence or two. */
  about: string;
  /** The way to use the API from a shell. */
  example: string;
  controls: Router;
}

/** `POST /disputes/:id/close`: the controls of a router, by their paths. */
export function operationsOf(controls: Router): Array<{ method: string; path: string }> {
  return controls.stack.flatMap(({ route }) => {
    if (!route) return [];
    const { methods } = route as unknown as { methods: Record<string, boolean> };
    return Object.keys(methods).map((method) => ({ method: method.toUpperCase(), path: route.path }));
  });
}

export function welcomePage({ title, about, example, controls }: Welcome): Html {
  const rows = operationsOf(controls)
    .sort((a, b) => a.path.localeCompare(b.path) || a.method.localeCompare(b.method))
    .map(({ method, path }) => {
      const isReadable = method === 'GET';
      const name = html`/_control${path}`;
      return html`<tr><td>${method}</td><td>${isReadable ? html`<a href="/_control${path}">${name}</a>` : name}</td></tr>`;
    });
  return page(
    title,
    html`<header><h1>${title}</h1><p>${about}</p></header>
    <main>
      <pre>${example}</pre>
      <table>
        <thead><tr><th>Method</th><th>Control</th></tr></thead>
        <tbody>${rows}</tbody>
      </table>
      <p class="empty">docs/stand-ins.md has an example of each control.</p>
    </main>`,
    true,
  );
}
