/** The pages at the printed addresses `/` and `/v1`, with links to the documents. */
import { type RequestHandler, Router } from 'express';
import type { ApiWorld } from '../world.ts';

const POLICY = "default-src 'none'; style-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

const PAGE = `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Burnrate</title>
<link rel="stylesheet" href="/return/style.css">
</head>
<body>
<main>
<h1>Burnrate</h1>
<p>This is the API of the billing engine. Its routes are below <code>/v1</code> and ask for a key:
<code>Authorization: Bearer KEY</code>.</p>
<p><a href="/docs">Read the documents</a>, or give <a href="/v1/openapi.json">the OpenAPI document</a> to a program.
<a href="/readyz">/readyz</a> says whether every part works.</p>
</main>
</body>
</html>
`;

export function front({ publicUrl }: ApiWorld): Router {
  const router = Router({ strict: true, caseSensitive: true });
  const answer: RequestHandler = (request, response) => {
    if (request.accepts(['json', 'html']) === 'html')
      response.set('Content-Security-Policy', POLICY).type('html').send(PAGE);
    else
      response.json({
        service: 'burnrate',
        documents: `${publicUrl}/docs`,
        openapi: `${publicUrl}/v1/openapi.json`,
      });
  };
  router.get('/', answer);
  router.get('/v1', answer);
  return router;
}
