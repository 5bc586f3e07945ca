import { execFileSync, spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import type { Scenario, ScenarioResult } from './oracle.ts';

const SCRIPT = fileURLToPath(new URL('oracle.py', import.meta.url));
const MOST_OUTPUT_BYTES = 512 * 1024 * 1024;

export function pythonIsThere(): boolean {
  const check = 'import sys; sys.exit(sys.version_info < (3, 9))';
  return spawnSync('python3', ['-c', check]).status === 0;
}

/** The results by the second, Python oracle: one process for all scenarios. */
export function pythonResults(scenarios: Scenario[]): ScenarioResult[] {
  const input = JSON.stringify(scenarios);
  return JSON.parse(
    execFileSync('python3', [SCRIPT], { input, encoding: 'utf8', maxBuffer: MOST_OUTPUT_BYTES }),
  ) as ScenarioResult[];
}
