/** The demo's screen: a growing timeline, and below, on a terminal, a live balance. */
const TTY = process.stdout.isTTY === true;
const BAR_WIDTH = 36;

const paint = (code: number) => (text: string) => (TTY ? `\x1b[${code}m${text}\x1b[0m` : text);
export const bold = paint(1);
export const dim = paint(2);
export const red = paint(31);
export const green = paint(32);
export const yellow = paint(33);
export const cyan = paint(36);

export interface Gauge {
  availableDollars: number;
  burnPerHourDollars: number;
  runsOutAt: string | null;
  topUp: string;
}

export class Timeline {
  private readonly startedMs: number;
  private fullDollars = 1;
  private gaugeShown = false;
  private linesSinceGauge = 0;

  constructor(startedMs: number) {
    this.startedMs = startedMs;
  }

  private get stamp(): string {
    const seconds = (Date.now() - this.startedMs) / 1000;
    return dim(`${seconds.toFixed(1).padStart(6)} s`);
  }

  /** Prints an event as the event happens. */
  say(mark: string, text: string): void {
    this.clearGauge();
    process.stdout.write(`${this.stamp}  ${mark} ${text}\n`);
  }

  /** Shows the present credit. On a terminal the line is redrawn in place; a log gets a line now and then. */
  show(gauge: Gauge): void {
    this.fullDollars = Math.max(this.fullDollars, gauge.availableDollars);
    const filled = Math.round((BAR_WIDTH * gauge.availableDollars) / this.fullDollars);
    const colour = gauge.availableDollars < 5 ? red : gauge.availableDollars < 10 ? yellow : green;
    const bar = colour('█'.repeat(filled)) + dim('░'.repeat(BAR_WIDTH - filled));
    const left = gauge.runsOutAt ? Math.max(0, Math.round((Date.parse(gauge.runsOutAt) - Date.now()) / 1000)) : null;
    const runway = left === null ? 'nothing runs' : `${left} s of credit`;
    const money = `$${gauge.availableDollars.toFixed(2)}`.padStart(7);
    const text = `${this.stamp}  ${bar} ${bold(money)}  ${runway}  ${dim(`auto top-up ${gauge.topUp}`)}`;
    if (TTY) {
      this.clearGauge();
      process.stdout.write(text);
      this.gaugeShown = true;
    } else if (this.linesSinceGauge++ % 8 === 0) process.stdout.write(`${text}\n`);
  }

  private clearGauge(): void {
    if (this.gaugeShown) process.stdout.write('\r\x1b[2K');
    this.gaugeShown = false;
  }

  done(): void {
    this.clearGauge();
  }
}
