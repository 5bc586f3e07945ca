/**
 * The colours of mails, for light and for dark. Text keeps a contrast of 4.5 against its ground for every colour of a
 * brand (WCAG 2.2, 1.4.3).
 */

export interface Palette {
  page: string;
  card: string;
  text: string;
  quiet: string;
  line: string;
  button: string;
  onButton: string;
  link: string;
}

const TEXT_CONTRAST = 4.5;
/** The face of a button only has to be visible, because the label names the action (WCAG 2.2, 1.4.11). */
const SHAPE_CONTRAST = 1.3;

const LIGHT = { page: '#f3f4f7', card: '#ffffff', text: '#1a1f2b', quiet: '#565f70', line: '#dfe2e9' };
const DARK = { page: '#12151c', card: '#1c212b', text: '#e8eaf0', quiet: '#a7b0c0', line: '#39414f' };

export const lightPalette = (brandColor: string): Palette => withBrand(LIGHT, brandColor, '#000000');
export const darkPalette = (brandColor: string): Palette => withBrand(DARK, brandColor, '#ffffff');

/**
 * `towards`: black on a light ground, white on a dark one. The brand's colour is moved in this direction until the
 * contrast is sufficient.
 */
function withBrand(ground: typeof LIGHT, brandColor: string, towards: string): Palette {
  const button = movedUntil(brandColor, ground.card, towards, SHAPE_CONTRAST);
  const onButton = contrast(button, '#ffffff') >= TEXT_CONTRAST ? '#ffffff' : '#000000';
  return { ...ground, button, onButton, link: movedUntil(brandColor, ground.card, towards, TEXT_CONTRAST) };
}

function movedUntil(color: string, ground: string, towards: string, least: number): string {
  for (let share = 0; share < 1; share += 0.05) {
    const moved = mix(color, towards, share);
    if (contrast(moved, ground) >= least) return moved;
  }
  return towards;
}

const channels = (color: string): number[] => [1, 3, 5].map((at) => Number.parseInt(color.slice(at, at + 2), 16));

const mix = (color: string, other: string, share: number): string => {
  const others = channels(other);
  const mixed = channels(color).map((value, at) => Math.round(value + ((others[at] ?? 0) - value) * share));
  return `#${mixed.map((value) => value.toString(16).padStart(2, '0')).join('')}`;
};

/** The contrast of two colours `#rrggbb`, from 1 to 21 (WCAG 2.2, "contrast ratio"). */
export function contrast(one: string, other: string): number {
  const [lighter = 0, darker = 0] = [luminance(one), luminance(other)].sort((a, b) => b - a);
  return (lighter + 0.05) / (darker + 0.05);
}

function luminance(color: string): number {
  const [red = 0, green = 0, blue = 0] = channels(color).map((value) => {
    const share = value / 255;
    return share <= 0.04045 ? share / 12.92 : ((share + 0.055) / 1.055) ** 2.4;
  });
  return 0.2126 * red + 0.7152 * green + 0.0722 * blue;
}
