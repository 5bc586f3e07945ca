/** The pages that the api serves itself: the documentation, and the page after a payment at Stripe. */
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { type RequestHandler, Router } from 'express';
import { askForHelp, type Brand, DEFAULT_BRAND } from '../../activities/mail/brand.ts';
import { limitStrangers } from '../http/limits.ts';
import { notePage } from '../http/note.ts';
import type { Serving } from '../http/serving.ts';
import { returning } from '../webhooks/returning.ts';
import type { ApiWorld } from '../world.ts';

const UI = dirname(createRequire(import.meta.url).resolve('swagger-ui-dist/package.json'));
const UI_FILES: Record<string, string> = {
  'swagger-ui.css': 'text/css; charset=utf-8',
  'swagger-ui-bundle.js': 'text/javascript; charset=utf-8',
  'favicon-32x32.png': 'image/png',
};

/** A content security policy that allows the page's own files only. Pictures are drawn in the style sheet. */
const POLICY =
  "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

const DOCS = `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Burnrate API</title>
<link rel="stylesheet" href="/docs/swagger-ui.css">
<link rel="stylesheet" href="/docs/docs.css">
<link rel="icon" href="/docs/favicon-32x32.png">
</head>
<body>
<main id="docs"></main>
<script src="/docs/swagger-ui-bundle.js"></script>
<script src="/docs/docs.js"></script>
</body>
</html>
`;
const asset = (name: string): Buffer => readFileSync(join(import.meta.dirname, '..', 'assets', name));

/**
 * The page that buttons of mails open without BILLING_URL. The page shows nothing of a team, because only the platform
 * knows who may see a team's billing.
 */
const billingNote = (brand: Brand): string =>
  notePage({
    title: 'Your billing',
    paragraphs: [
      `Credit, cards, auto top-up and receipts of your team are in the console of ${brand.name}: sign in there and choose Billing.`,
      'To add credit, open Billing and make a deposit. To change or switch off auto top-up, open Billing and choose Auto top-up.',
      brand.support === null
        ? 'If you cannot find it, reply to the mail that brought you here.'
        : `If you cannot find it, please ${askForHelp(brand)}.`,
    ],
  });
const RETURN_STYLE = `body { margin: 0; font: 1rem/1.6 system-ui, sans-serif; color: #1a1f2b; background: #f6f7f9; }
main { max-width: 32rem; margin: 15vh auto 0; padding: 2rem; background: #fff; border-radius: 0.75rem; }
h1 { margin-top: 0; font-size: 1.5rem; }
@media (prefers-color-scheme: dark) { body { color: #e8eaf0; background: #12151c; } main { background: #1c212b; } }
`;

const serve =
  (type: string, content: string | Buffer): RequestHandler =>
  (_request, response) => {
    response.set('Content-Security-Policy', POLICY).type(type).send(content);
  };

export function pages(world: ApiWorld, { placed }: Serving): Router {
  const router = Router();
  router.get('/docs', serve('html', DOCS));
  router.get('/docs/docs.js', serve('text/javascript; charset=utf-8', asset('docs.js')));
  router.get('/docs/docs.css', serve('text/css; charset=utf-8', asset('docs.css')));
  for (const [name, type] of Object.entries(UI_FILES))
    router.get(`/docs/${name}`, serve(type, readFileSync(join(UI, name))));
  router.get(
    '/return',
    limitStrangers(),
    placed('pages', ({ ip }) => String(ip), returning(world, POLICY)),
  );
  router.get('/billing', serve('html', billingNote(world.brand ?? DEFAULT_BRAND)));
  router.get('/return/style.css', serve('text/css; charset=utf-8', RETURN_STYLE));
  return router;
}
