// Which messages may bring a report, told by their structure as content keeps it: most are never looked at.

/** Local parts of our domains that take reports: what comes there is read, whether anybody has the name or not. */
const reportLocals: ReadonlySet<string> = new Set(['dmarc-reports', 'tls-reports'])

export const isReportAddress = (local: string): boolean => reportLocals.has(local.toLowerCase())

const endings = ['.xml', '.zip', '.gz', '.json']

/** Attachments of reports have names with exclamation marks (RFC 9990 §3.5.2, RFC 8460 §5.1), or a type of their own. */
export function mayReport(structure: string): boolean {
  if (structure.includes('tlsrpt')) return true
  return structure.includes('!') && endings.some((end) => structure.includes(end))
}
