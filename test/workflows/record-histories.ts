/**
 * Records the histories of all stories anew: `node --import tsx test/workflows/record-histories.ts`; with names of stories
 * behind it, of those only.
 *
 * To be run on purpose only. That a recorded history no longer replays means that workflows which run today, for months,
 * would break on the new code: such a change belongs behind `patched()`. Record anew when a story was added, or when no
 * workflow of the old code can be running any more.
 */
import { keepHistories, type RecordedHistory, recordHistory } from './histories.ts';
import { STORIES } from './stories.ts';
import { openStage } from './support.ts';

const names = process.argv.slice(2);
const stories = names.length === 0 ? STORIES : STORIES.filter(({ name }) => names.includes(name));
const recorded: RecordedHistory[] = [];
for (const { name, begin } of stories) {
  const { mocks, tell } = begin();
  // A server for each: waiting for results makes its clock leap, by years once nothing else is to come.
  const stage = await openStage();
  try {
    await stage.play(mocks, async (scene) => {
      for (const workflowId of await tell(scene)) recorded.push(await recordHistory(scene, name, workflowId));
    });
  } finally {
    await stage.close();
  }
}
await keepHistories(recorded, names.length === 0 ? 'all' : 'some');
for (const { name, history } of recorded) console.log(`${name}: ${history.events.length} events`);
