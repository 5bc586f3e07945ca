/** Writes the sample mails as HTML and text, to be looked at: `node --import tsx test/activities/mail/render.ts FOLDER [#rrggbb]`. */
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { SAMPLE_ABOUT, sampleMails } from './samples.ts';

const [folder, color = SAMPLE_ABOUT.brand.color] = process.argv.slice(2);
if (folder === undefined) throw new Error('name a folder to write to');
await mkdir(folder, { recursive: true });
const about = { ...SAMPLE_ABOUT, brand: { ...SAMPLE_ABOUT.brand, color } };
for (const [name, { subject, text, html }] of Object.entries(sampleMails(about))) {
  await writeFile(join(folder, `${name}.html`), html);
  await writeFile(join(folder, `${name}.txt`), `Subject: ${subject}\n\n${text}`);
}
