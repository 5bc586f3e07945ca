/** HTML text, already escaped. */
export class Html {
  readonly text: string;

  constructor(text: string) {
    this.text = text;
  }
}

/** A template whose values are escaped, unless they are HTML themselves. */
export function html(
  parts: TemplateStringsArray,
  ...values: (string | number | Html | null | undefined | false)[]
): Html {
  const written = values.map((value) =>
    value instanceof Html ? value.text : escaped(String(value || value === 0 ? value : '')),
  );
  return new Html(String.raw({ raw: parts }, ...written));
}

export function join(pieces: Html[]): Html {
  return new Html(pieces.map((piece) => piece.text).join(''));
}

const ENTITIES: Record<string, string> = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;', "'": '&#39;' };

function escaped(value: string): string {
  return value.replaceAll(/[&<>"']/g, (character) => ENTITIES[character] ?? character);
}

export function page(title: string, body: Html): string {
  return html`<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>${title}</title>
<style>${STYLE}</style>
</head>
<body><main>
<p class="badge">TEST MODE</p>
${body}
</main></body>
</html>`.text;
}

const STYLE = new Html(`
body { margin: 0; background: #f6f8fa; color: #1a1f36; font: 16px/1.5 system-ui, sans-serif; }
main { max-width: 26rem; margin: 3rem auto; padding: 2rem; background: #fff; border-radius: 8px; box-shadow: 0 2px 12px #0001; }
h1 { margin: .2rem 0; font-size: 1.8rem; }
.badge { display: inline-block; margin: 0 0 1rem; padding: 0 .5rem; background: #ffde92; border-radius: 4px; font-size: .7rem; font-weight: 600; }
label { display: block; margin-top: .8rem; font-size: .9rem; color: #4f566b; }
label.check { display: flex; gap: .5rem; align-items: center; }
input:not([type=checkbox]), select { box-sizing: border-box; width: 100%; margin-top: .2rem; padding: .6rem; border: 1px solid #c1c9d2; border-radius: 6px; font: inherit; }
.row { display: grid; grid-template-columns: 1fr 1fr; gap: 1rem; }
button { width: 100%; margin-top: 1.2rem; padding: .8rem; border: 0; border-radius: 6px; background: #0570de; color: #fff; font: inherit; font-weight: 600; cursor: pointer; }
button.second { background: #fff; color: #1a1f36; border: 1px solid #c1c9d2; }
.error { margin-top: 1rem; padding: .7rem 1rem; border-radius: 6px; background: #fde8ec; color: #b3093c; }
table { width: 100%; border-collapse: collapse; }
td { padding: .3rem 0; } td:last-child { text-align: right; }
a { color: #0570de; } .quiet { color: #697386; font-size: .9rem; }
`);
