/**
 * The parts of papers: a page with its margins and foot, headings, facts, columns, tables, notes. Every part takes text
 * of any script, wraps wide text, and is tagged, so a screen reader reads the paper in order.
 */
import PDFDocument from 'pdfkit';
import { GlyphWriter } from './glyphs.ts';
import { type Line, layOut, layOutLine } from './lines.ts';
import type { Weight } from './typefaces.ts';

export interface Style {
  /** Points. */
  size: number;
  weight?: Weight;
  colour?: string;
  align?: 'left' | 'right';
}

export interface Column {
  title: string;
  /** The share of the width. The shares of a table add up to 1. */
  share: number;
  align?: 'left' | 'right';
}

export type Fact = [label: string, value: string, style?: Style];

const INK = '#1a1f2b';
const QUIET = '#5c6475';
const RULE = '#d5d9e2';
const ACCENT = '#1d4ed8';

export const TITLE: Style = { size: 22, weight: 'semibold' };
export const HEADING: Style = { size: 15, weight: 'semibold' };
export const STRONG: Style = { size: 10, weight: 'semibold' };
export const BODY: Style = { size: 10 };
export const LABEL: Style = { size: 9, colour: QUIET };
export const NOTE: Style = { size: 8.5, colour: QUIET };

/** A4. The margins leave room for a printer that crops the page to Letter. */
const MARGIN = { left: 60, right: 60, top: 60, bottom: 84 };
const LEADING = 1.45;
const GUTTER = 24;

interface Block {
  text: string;
  lines: Line[];
  style: Style;
  height: number;
}

const RIGHT_TO_LEFT = /[\u0590-\u08ff\ufb1d-\ufdff\ufe70-\ufefc]/u;

/** Right-to-left letters lie on the page from left to right, so a screen reader gets the letters in their own order. */
const spoken = (text: string): { actual?: string } => (RIGHT_TO_LEFT.test(text) ? { actual: text } : {});

export interface PaperInfo {
  /** In the file's properties, and at the foot of each page. */
  title: string;
  author: string;
  /** The second of the paper, used as its date. */
  second: number;
}

export class Sheet {
  private readonly document: PDFKit.PDFDocument;
  private readonly glyphs: GlyphWriter;
  private readonly root: PDFKit.PDFStructureElement;
  private readonly done: Promise<Buffer>;
  private readonly info: PaperInfo;
  private y = MARGIN.top;

  constructor(info: PaperInfo) {
    this.info = info;
    const document = new PDFDocument({
      size: 'A4',
      margin: 0,
      bufferPages: true,
      pdfVersion: '1.7',
      tagged: true,
      lang: 'en-US',
      displayTitle: true,
      // Without these values pdfkit would write the time of drawing and derive the file's id from the time.
      info: {
        Title: info.title,
        Author: info.author,
        Creator: 'Burnrate',
        CreationDate: new Date(info.second * 1000),
      },
    });
    this.done = new Promise((resolve, reject) => {
      const pieces: Buffer[] = [];
      document.on('data', (piece: Buffer) => pieces.push(piece));
      document.on('end', () => resolve(Buffer.concat(pieces)));
      document.on('error', reject);
    });
    this.document = document;
    this.glyphs = new GlyphWriter(document);
    this.root = document.struct('Document');
    document.addStructure(this.root);
  }

  private get width(): number {
    return this.document.page.width - MARGIN.left - MARGIN.right;
  }

  private get bottom(): number {
    return this.document.page.height - MARGIN.bottom;
  }

  /** Begins a new page where a height does not fit on the present page. */
  private need(height: number): void {
    if (this.y + height <= this.bottom || this.y === MARGIN.top) return;
    this.document.addPage();
    this.y = MARGIN.top;
  }

  private async block(text: string, style: Style, width: number): Promise<Block> {
    const lines = await layOut(text, style.weight ?? 'regular', (width * 1000) / style.size);
    return { text, lines, style, height: lines.length * style.size * LEADING };
  }

  private drawBlock({ lines, style }: Block, x: number, y: number, width: number): void {
    for (const [index, line] of lines.entries()) {
      const { size, colour = INK, align = 'left' } = style;
      const left = align === 'left' ? x : x + width - (line.width * size) / 1000;
      this.glyphs.draw(line, left, y + (index + 0.74) * size * LEADING, size, colour);
    }
  }

  space(points: number): void {
    this.y += points;
  }

  rule(): void {
    this.need(1);
    this.artifact(() => this.line(this.y, RULE, 0.75));
  }

  private line(y: number, colour: string, thickness: number): void {
    const { left } = MARGIN;
    this.document
      .moveTo(left, y)
      .lineTo(left + this.width, y)
      .lineWidth(thickness)
      .strokeColor(colour)
      .stroke();
  }

  /** Content that a screen reader skips. */
  private artifact(draw: () => void): void {
    this.document.markContent('Artifact', { type: 'Layout' });
    draw();
    this.document.endMarkedContent();
  }

  /** Attached before content is added, because pdfkit draws the content of an attached part at once. */
  private attach(parent: PDFKit.PDFStructureElement, type: string): PDFKit.PDFStructureElement {
    const part = this.document.struct(type);
    parent.add(part);
    return part;
  }

  private struct(type: string, text: string, draw: () => void): PDFKit.PDFStructureElement {
    return this.document.struct(type, spoken(text), draw);
  }

  /** @param keepWith points that must fit below the text on the same page, so a heading is not left alone */
  async text(text: string, style: Style = BODY, tag: 'H1' | 'H2' | 'P' = 'P', keepWith = 0): Promise<void> {
    const block = await this.block(text, style, this.width);
    this.need(block.height + keepWith);
    this.root.add(this.struct(tag, text, () => this.drawBlock(block, MARGIN.left, this.y, this.width)));
    this.y += block.height;
  }

  /** The head of a paper: the title at the left, the issuer at the right. */
  async head(title: string, giver: string): Promise<void> {
    const half = (this.width - GUTTER) / 2;
    const left = await this.block(title, TITLE, half);
    const right = await this.block(giver, { ...STRONG, size: 12, colour: ACCENT, align: 'right' }, half);
    this.root.add(this.struct('H1', title, () => this.drawBlock(left, MARGIN.left, this.y, half)));
    this.root.add(
      this.struct('P', giver, () =>
        this.drawBlock(right, MARGIN.left + half + GUTTER, this.y + TITLE.size * 0.55, half),
      ),
    );
    this.y += Math.max(left.height, right.height + TITLE.size * 0.55) + 12;
  }

  /** Facts below each other, labels and values in two columns. */
  async facts(facts: Fact[], labelWidth = 110): Promise<void> {
    const valueX = MARGIN.left + labelWidth;
    const valueWidth = this.width - labelWidth;
    for (const [name, text, style = BODY] of facts) {
      const label = await this.block(name, LABEL, labelWidth - 8);
      const value = await this.block(text, style, valueWidth);
      const height = Math.max(label.height, value.height) + 3;
      this.need(height);
      const fact = this.document.struct('P', spoken(text), [
        // The smaller label stands on the value's baseline.
        () => this.drawBlock(label, MARGIN.left, this.y + (style.size - LABEL.size), labelWidth),
        () => this.drawBlock(value, valueX, this.y, valueWidth),
      ]);
      this.root.add(fact);
      this.y += height;
    }
  }

  /** Blocks of rows beside each other, each with a heading: who gives a paper, and to whom. */
  async columns(columns: Array<{ heading: string; rows: string[] }>): Promise<void> {
    const width = (this.width - GUTTER * (columns.length - 1)) / columns.length;
    const drawn: Array<{ x: number; blocks: Block[]; height: number }> = [];
    for (const [index, { heading, rows }] of columns.entries()) {
      const blocks = [await this.block(heading, LABEL, width)];
      for (const [at, row] of rows.entries()) blocks.push(await this.block(row, at === 0 ? STRONG : BODY, width));
      const height = blocks.reduce((sum, block) => sum + block.height, 2);
      drawn.push({ x: MARGIN.left + index * (width + GUTTER), blocks, height });
    }
    const height = Math.max(...drawn.map((column) => column.height));
    this.need(height);
    for (const { x, blocks } of drawn) {
      let y = this.y;
      const section = this.attach(this.root, 'Sect');
      for (const [at, block] of blocks.entries()) {
        const top = y;
        section.add(this.struct('P', block.text, () => this.drawBlock(block, x, top, width)));
        y += block.height + (at === 0 ? 2 : 0);
      }
      section.end();
    }
    this.y += height;
  }

  /** A table with its head repeated on each page. The last rows can be totals in bold. */
  async table(columns: Column[], rows: string[][], totals: string[][] = []): Promise<void> {
    const table = this.attach(this.root, 'Table');
    const head = columns.map(({ title }) => title);
    await this.row(table, columns, head, 'TH', LABEL, RULE);
    for (const [at, cells] of [...rows, ...totals].entries()) {
      const isTotal = at >= rows.length;
      const { height } = await this.cells(columns, cells, isTotal ? STRONG : BODY);
      if (this.y + height > this.bottom) {
        this.need(height);
        await this.row(table, columns, head, 'TH', LABEL, RULE);
      }
      await this.row(table, columns, cells, 'TD', isTotal ? STRONG : BODY, at === rows.length - 1 ? INK : RULE);
    }
    table.end();
  }

  private async cells(columns: Column[], cells: string[], style: Style) {
    const blocks: Array<{ block: Block; x: number; width: number }> = [];
    let x = MARGIN.left;
    for (const [at, { share, align = 'left' }] of columns.entries()) {
      const width = this.width * share - (at < columns.length - 1 ? 12 : 0);
      blocks.push({ block: await this.block(cells[at] ?? '', { ...style, align }, width), x, width });
      x += this.width * share;
    }
    return { blocks, height: Math.max(...blocks.map(({ block }) => block.height)) + 12 };
  }

  private async row(
    table: PDFKit.PDFStructureElement,
    columns: Column[],
    cells: string[],
    tag: 'TH' | 'TD',
    style: Style,
    rule: string,
  ): Promise<void> {
    const { blocks, height } = await this.cells(columns, cells, style);
    const row = this.attach(table, 'TR');
    for (const { block, x, width } of blocks) {
      const top = this.y + 6;
      row.add(this.struct(tag, block.text, () => this.drawBlock(block, x, top, width)));
    }
    row.end();
    this.y += height;
    this.artifact(() => this.line(this.y, rule, 0.75));
  }

  /** Ends the paper: writes the foot of each page and answers the file. */
  async finish(): Promise<Buffer> {
    const { count } = this.document.bufferedPageRange();
    for (let page = 0; page < count; page++) {
      this.document.switchToPage(page);
      const title = await layOutLine(this.info.title, 'regular');
      const number = await layOutLine(`Page ${page + 1} of ${count}`, 'regular');
      const y = this.document.page.height - MARGIN.bottom + 36;
      const right = MARGIN.left + this.width - (number.width * NOTE.size) / 1000;
      this.artifact(() => {
        this.glyphs.draw(title, MARGIN.left, y, NOTE.size, QUIET);
        this.glyphs.draw(number, right, y, NOTE.size, QUIET);
      });
    }
    this.root.end();
    this.document.end();
    return this.done;
  }
}
