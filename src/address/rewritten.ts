// Senders that a forwarder has rewritten (SRS): local parts that hold a whole address. Only their form; who made one is not asked here.

const separators = '=-+'

/** Whether a local part has the form of a rewritten sender. */
export function isRewritten(local: string): boolean {
  const start = local.slice(0, 4).toUpperCase()
  return (start === 'SRS0' || start === 'SRS1') && separators.includes(local[4] ?? ' ')
}
