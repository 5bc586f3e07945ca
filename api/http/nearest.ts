/** Finds the names nearest to a misspelt name. */
import leven from 'leven';

/** Ignores case and separators, because people mix these up: `gpu_type` and `gpuType` are the same word. */
const plain = (name: string): string => name.toLowerCase().replace(/[\s._:/-]+/g, '');

/** The number of letters to change from one word to another. */
export const distance = (a: string, b: string): number => leven(a, b, { maxDistance: 10 });

const SHORTEST_PART = 3;

/** The distance between two names: 0 for the same word, null for names with too little in common. */
function distanceOf(wrong: string, name: string): number | null {
  const [a, b] = [plain(wrong), plain(name)];
  if (a === b) return 0;
  const most = Math.max(1, Math.floor(Math.max(a.length, b.length) / 3));
  const distance = leven(a, b, { maxDistance: most + 1 });
  if (distance <= most) return distance;
  const [short, long] = a.length < b.length ? [a, b] : [b, a];
  return short.length >= SHORTEST_PART && long.includes(short) ? most + 1 : null;
}

/** The names nearest to a wrong name, nearest first; empty where no name is near. */
export function nearest(wrong: string, names: Iterable<string>, atMost = 1): string[] {
  // A name as long as a line is no misspelling, and a comparison would take long.
  if (wrong.length > 100) return [];
  return [...new Set(names)]
    .flatMap((name) => {
      const distance = distanceOf(wrong, name);
      return distance === null ? [] : [{ name, distance }];
    })
    .sort((a, b) => a.distance - b.distance)
    .slice(0, atMost)
    .map(({ name }) => name);
}

/** `a, b or c` */
export const orList = (names: readonly string[]): string =>
  names.length < 2 ? names.join('') : `${names.slice(0, -1).join(', ')} or ${names.at(-1)}`;

/** `: did you mean gpuType?`, or nothing where no name is near. */
export function didYouMean(wrong: string, names: Iterable<string>, atMost = 1): string {
  const nearestName = nearest(wrong, names, atMost);
  return nearestName.length === 0 ? '' : `: did you mean ${orList(nearestName)}?`;
}
