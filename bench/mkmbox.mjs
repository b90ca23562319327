// writes an mbox (CRLF) from the corpus for imaptest: node mkmbox.mjs out [n]
import fs from 'node:fs'
import { Corpus } from './lib.mjs'
const c = new Corpus(7),
  f = fs.openSync(process.argv[2], 'w')
for (let i = 0; i < +(process.argv[3] || 1000); i++) {
  fs.writeSync(f, 'From a@x.test  Mon Jan  1 00:00:00 2024\r\n')
  fs.writeSync(
    f,
    c
      .next()
      .toString('latin1')
      .replace(/^From /gm, '>From '),
  )
  fs.writeSync(f, '\r\n')
}
