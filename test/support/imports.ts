/** Reads the imports of source files: for the tests of the folders, and of the files in the image. */
import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join, relative, resolve } from 'node:path';

export const ROOT = resolve(import.meta.dirname, '..', '..');

export interface Import {
  file: string;
  typeOnly: boolean;
  /** A path from the root for files of the project, a package's name for others. */
  of: string;
}

export const read = (file: string): string => readFileSync(join(ROOT, file), 'utf8');
export const withoutComments = (source: string): string => source.replace(/\/\*[\s\S]*?\*\/|(^|\s)\/\/.*$/gm, '');

/** The source files below a folder. Generated files are left out. */
export const sourcesOf = (folder: string): string[] =>
  readdirSync(join(ROOT, folder), { recursive: true, encoding: 'utf8' })
    .filter((name) => /\.ts$/.test(name) && !/(^|\/)(generated|node_modules)\//.test(name))
    .map((name) => join(folder, name));

const IMPORT =
  /^(?:import|export)\s+(type\s)?(?:[^'"();=]*?\sfrom\s+)?['"]([^'"]+)['"]|\bimport\(\s*['"]([^'"]+)['"]/gm;

export const importsOf = (file: string): Import[] =>
  [...withoutComments(read(file)).matchAll(IMPORT)].map(([, typeOnly, stated = '', dynamic]) => {
    const name = dynamic ?? stated;
    const of = name.startsWith('.') ? relative(ROOT, resolve(ROOT, dirname(file), name)) : name;
    return { file, typeOnly: typeOnly !== undefined, of };
  });

export const allImportsOf = (folder: string): Import[] => sourcesOf(folder).flatMap(importsOf);
