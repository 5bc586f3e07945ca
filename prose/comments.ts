/** Reads the comments of a source file, as prose: without markers, code in backticks, JSDoc tags and addresses. */

export interface Comment {
  /** The first line of the comment, counted from 1. */
  line: number;
  text: string;
}

/**
 * The comments of TypeScript source, in order. `//` comments on adjoining lines are one comment. The scanner knows
 * strings, templates and regular expressions, so `'https://…'` is no comment.
 */
export function commentsOf(source: string): Comment[] {
  const comments: Comment[] = [];
  let lastLineComment = -1;
  for (const { text, start } of scan(source)) {
    const line = source.slice(0, start).split('\n').length;
    const last = comments.at(-1);
    if (text.startsWith('//') && last !== undefined && lastLineComment === line - 1) {
      last.text += ` ${proseOf(text)}`;
    } else comments.push({ line, text: proseOf(text) });
    lastLineComment = text.startsWith('//') ? line : -1;
  }
  return comments.filter(({ text }) => /[a-z]/i.test(text));
}

/** The prose of a comment. */
function proseOf(comment: string): string {
  return comment
    .replace(/^\/\*\*?|\*\/$/g, '')
    .replace(/^\s*(\*|\/\/\/?) ?/gm, '')
    .replace(/^\s*biome-ignore.*$/gm, '')
    .replace(/\{@\w+ [^}]*\}/g, '')
    .replace(/@(throws|param|returns?)\b( \{[^}]*\})?( [a-zA-Z_`]+)?( [—–-])?/g, '')
    .replace(/@[a-zA-Z]+/g, '')
    .replace(/`[^`]*`/g, '')
    .replace(/https?:\/\/\S+/g, '')
    .replace(/\s+/g, ' ')
    .trim();
}

interface Found {
  text: string;
  start: number;
}

const TOKEN =
  /\/\/[^\n]*|\/\*[\s\S]*?\*\/|'(?:\\[\s\S]|[^'\\\n])*'|"(?:\\[\s\S]|[^"\\\n])*"|`|\$\{|[{}]|\/(?![/*])(?:\\.|\[(?:\\.|[^\]\\\n])*\]|[^/\\\n[])+\/[dgimsuyv]*/y;
/**
 * A slash after these characters or words begins a regular expression. After a name, a number or a closing bracket, a
 * slash divides.
 */
const BEFORE_EXPRESSION = /(?:^|[=(,;:!&|?{}[+\-*%<>~^]|\b(?:return|typeof|case|of|in|await|yield|void))\s*$/;

function* scan(source: string): Generator<Found> {
  /** An entry for each open template: the number of open braces inside its `${…}`. */
  const templates: number[] = [];
  let at = 0;
  while (at < source.length) {
    TOKEN.lastIndex = at;
    const text = TOKEN.exec(source)?.[0];
    if (text === undefined) {
      at += 1;
      continue;
    }
    if (
      text.startsWith('/') &&
      !/^\/[/*]/.test(text) &&
      !BEFORE_EXPRESSION.test(source.slice(Math.max(0, at - 40), at))
    ) {
      at += 1;
      continue;
    }
    if (/^\/[/*]/.test(text)) yield { text, start: at };
    at += text.length;
    const depth = templates.length - 1;
    if (text === '`') at = afterTemplateText(source, at, templates);
    else if (text === '{' && depth >= 0) templates[depth] = (templates[depth] ?? 0) + 1;
    else if (text === '}' && depth >= 0) {
      if (templates[depth] === 0) {
        templates.pop();
        at = afterTemplateText(source, at, templates);
      } else templates[depth] = (templates[depth] ?? 0) - 1;
    }
  }
}

/** The position after the text of a template: behind the closing backtick, or inside the next `${`, which is pushed. */
function afterTemplateText(source: string, from: number, templates: number[]): number {
  for (let at = from; at < source.length; at += 1) {
    if (source[at] === '\\') at += 1;
    else if (source[at] === '`') return at + 1;
    else if (source.startsWith('${', at)) {
      templates.push(0);
      return at + 2;
    }
  }
  return source.length;
}
