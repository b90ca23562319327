// COMPRESS: deflate both ways from the next command on.

import { SyntaxFault } from '../../../base/index.ts'
import { command } from '../command.ts'

export const compress = command({
  name: 'COMPRESS',
  rfc: 'RFC 4978 §3',
  // Not before signing in: who is not known gets no compressor.
  states: ['authenticated', 'selected'],
  capabilities: ['COMPRESS=DEFLATE'],
  parse: (p) => p.sp().word(),
  run({ connection }, mechanism) {
    if (mechanism !== 'DEFLATE') throw new SyntaxFault('only DEFLATE is known')
    if (connection.compressed) return { status: 'NO', code: 'COMPRESSIONACTIVE', text: 'it is compressed already' }
    connection.compress()
    return { text: 'compressed from here on' }
  },
})
