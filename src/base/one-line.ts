// Text of strangers, for rows, logs and headers.

/** On one line, without controls, cut. */
export function oneLine(text: string, max: number): string {
  let out = ''
  for (const c of text.slice(0, 2 * max)) {
    const blank = c <= ' ' || c === '\x7f'
    if (!blank) out += c
    else if (out !== '' && !out.endsWith(' ')) out += ' '
  }
  return out.slice(0, max).trim().toWellFormed()
}
