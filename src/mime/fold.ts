// The form in which texts are compared for SEARCH and SORT: without case and without compatibility variants.

/** Folds case and normalises (i;unicode-casemap of RFC 5051 with full case folding). Two texts match if one's fold contains the other's. */
export function fold(text: string): string {
  // As many bytes as characters: ASCII, and then lower case is all.
  if (Buffer.byteLength(text) === text.length) return text.toLowerCase()
  // Upper and lower again folds ß with ss; the final sigma comes back from toLowerCase by context.
  const folded = text.normalize('NFKD').toUpperCase().toLowerCase().replaceAll('ς', 'σ')
  return folded.normalize('NFKD')
}
