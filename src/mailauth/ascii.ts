// What may stand in records and in header fields without being written in another way.

/** Printable ASCII without blanks. */
export function isVisible(text: string): boolean {
  for (let i = 0; i < text.length; i++) if (text.charCodeAt(i) < 33 || text.charCodeAt(i) > 126) return false
  return true
}
