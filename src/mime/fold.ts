// The form in which texts are compared for SEARCH and SORT: without case and without compatibility variants.

/** Folds case and normalises (i;unicode-casemap of RFC 5051 with full case folding). Two texts match if one's fold contains the other's. */
export function fold(text: string): string {
  // As many bytes as characters: ASCII, and then lower case is all.
  if (Buffer.byteLength(text) === text.length) return text.toLowerCase()
  // Upper and lower again folds ß with ss; the final sigma comes back from toLowerCase by context.
  const folded = text.normalize('NFKD').toUpperCase().toLowerCase().replaceAll('ς', 'σ')
  return folded.normalize('NFKD')
}

/**
 * A folded text as i;unicode-casemap compares it (RFC 5051): in titlecase, where `_` stands behind letters, and by code points, whose
 * order is that of code units once surrogates are moved behind the rest.
 */
export function toCollation(folded: string): string {
  const text = folded.toUpperCase()
  if (Buffer.byteLength(text) === text.length) return text
  for (let i = 0; i < text.length; i++) if (text.charCodeAt(i) >= 0xd800) return moveSurrogates(text)
  return text
}

function moveSurrogates(text: string): string {
  let out = ''
  for (let i = 0; i < text.length; i++) {
    const c = text.charCodeAt(i)
    out += c < 0xd800 ? text[i] : String.fromCharCode(c < 0xe000 ? c + 0x2000 : c - 0x800)
  }
  return out
}
