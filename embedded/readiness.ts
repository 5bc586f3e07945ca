/** The readiness of the api, with the parts that are not ready: the answer of `/readyz`. */
const LOOK_EVERY_MS = 3_000;
/** A single late answer of a busy machine is no outage. */
const LOOKS_THAT_COUNT = 2;

/** Null when the api is ready. */
export async function notReadyBecause(base: string): Promise<string | null> {
  try {
    const response = await fetch(`${base}/readyz`, { signal: AbortSignal.timeout(5_000) });
    const parts = (await response.json()) as Record<string, unknown>;
    if (response.ok) return null;
    const failing = Object.keys(parts).filter((name) => parts[name] === false);
    return failing.length > 0 ? failing.join(', ') : `status ${response.status}`;
  } catch {
    return 'the api does not answer';
  }
}

/** Reports when the api stops being ready, and when the api is ready again. Returns a function that ends the watch. */
export function watchReadiness(base: string, say: (line: string) => void): () => void {
  let ended = false;
  let failures = 0;
  const look = async () => {
    const why = await notReadyBecause(base);
    if (ended) return;
    if (why === null && failures >= LOOKS_THAT_COUNT) say('Ready again.');
    failures = why === null ? 0 : failures + 1;
    if (why !== null && failures === LOOKS_THAT_COUNT) say(`Not ready: ${why}.`);
    setTimeout(look, LOOK_EVERY_MS).unref();
  };
  void look();
  return () => {
    ended = true;
  };
}
