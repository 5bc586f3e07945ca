/** A page of a few sentences, without a script. */

export interface Note {
  title: string;
  paragraphs: string[];
  /** The page reloads from the address after this number of seconds. */
  refresh?: { afterSeconds: number; url: string };
}

const escaped = (text: string): string => text.replace(/[&<>"']/g, (letter) => `&#${letter.charCodeAt(0)};`);

export const notePage = ({ title, paragraphs, refresh }: Note): string => `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
${refresh ? `<meta http-equiv="refresh" content="${refresh.afterSeconds}; url=${escaped(refresh.url)}">\n` : ''}<title>${escaped(title)}</title>
<link rel="stylesheet" href="/return/style.css">
</head>
<body>
<main>
<h1>${escaped(title)}</h1>
${paragraphs.map((paragraph) => `<p>${escaped(paragraph)}</p>`).join('\n')}
</main>
</body>
</html>
`;
