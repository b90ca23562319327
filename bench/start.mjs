// What a server takes before it does anything: time to the first banner, memory at rest.

import { sleep } from './lib.mjs'

export async function startPhase({ figures, posthorn, reps }) {
  for (let rep = 0; rep < Math.max(reps, 5); rep++) {
    await posthorn.stop()
    await sleep(500)
    figures.add('start to the first banner', { unit: 'ms', wanted: '≤ 400 ms' }, 'posthorn', await posthorn.run())
    await sleep(3_000)
    figures.add('memory at rest (PSS)', { unit: 'MB', wanted: '≤ 90 MB' }, 'posthorn', posthorn.pss() / 1024)
  }
  figures.say('start to the first banner')
  figures.say('memory at rest (PSS)')
}
