/**
 * Spreads the work of many teams or instances at one second over an interval. The position is computed from the id
 * alone, so a repeat and a replay compute the same position.
 */

/** A whole number from 1 to `within`, the same for the same id. Consecutive ids are spread evenly. */
export const placeOf = (id: string, within: number): number => 1 + (hash(id) % within);

const OFFSET_BASIS = 0x811c9dc5;
const PRIME = 0x01000193;

/** FNV-1a of 32 bits over UTF-16 units, with the bits mixed by the finalizer of MurmurHash3. */
function hash(text: string): number {
  let bits = OFFSET_BASIS;
  for (let index = 0; index < text.length; index += 1) bits = Math.imul(bits ^ text.charCodeAt(index), PRIME);
  bits = Math.imul(bits ^ (bits >>> 16), 0x85ebca6b);
  bits = Math.imul(bits ^ (bits >>> 13), 0xc2b2ae35);
  return (bits ^ (bits >>> 16)) >>> 0;
}
