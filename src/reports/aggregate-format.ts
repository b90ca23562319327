// An aggregate report of DMARC as XML (RFC 9990 §3.1), in the order of its schema.

import type { AggregateReport, DmarcRecord, PolicyPublished, ReportMetadata } from './types.ts'
import { escapeXml } from './xml.ts'

export const dmarcNamespace = 'urn:ietf:params:xml:ns:dmarc-2.0'

export function formatAggregate({ metadata, policy, records }: Omit<AggregateReport, 'form'>): string {
  return [
    '<?xml version="1.0" encoding="UTF-8"?>',
    `<feedback xmlns="${dmarcNamespace}">`,
    line('version', '1.0'),
    ...formatMetadata(metadata),
    ...formatPolicy(policy),
    ...records.map(formatRecord),
    '</feedback>',
    '',
  ].join('\n')
}

function formatMetadata({ org, email, extraContact, id, begin, end, errors, generator }: ReportMetadata): string[] {
  return [
    '<report_metadata>',
    line('org_name', org),
    line('email', email),
    ...optional('extra_contact_info', extraContact),
    line('report_id', id),
    `<date_range>${line('begin', `${begin}`)}${line('end', `${end}`)}</date_range>`,
    ...optional('error', errors.length > 0 ? errors.join('; ') : undefined),
    ...optional('generator', generator),
    '</report_metadata>',
  ]
}

function formatPolicy({ domain, p, sp, np, adkim, aspf, fo, testing, method }: PolicyPublished): string[] {
  return [
    '<policy_published>',
    line('domain', domain),
    ...optional('discovery_method', method),
    line('p', p),
    ...optional('sp', sp),
    ...optional('np', np),
    ...optional('fo', fo),
    ...optional('adkim', adkim),
    ...optional('aspf', aspf),
    ...optional('testing', testing === undefined ? undefined : testing ? 'y' : 'n'),
    '</policy_published>',
  ]
}

function formatRecord(record: DmarcRecord): string {
  const { sourceIp, count, disposition, dkim, spf, reasons, headerFrom, envelopeFrom, envelopeTo } = record
  return [
    '<record>',
    `<row>${line('source_ip', sourceIp)}${line('count', `${count}`)}`,
    `<policy_evaluated>${line('disposition', disposition)}${line('dkim', dkim)}${line('spf', spf)}`,
    ...reasons.map(({ type, comment }) => `<reason>${line('type', type)}${optional('comment', comment)}</reason>`),
    '</policy_evaluated></row>',
    `<identifiers>${line('header_from', headerFrom)}${optional('envelope_from', envelopeFrom)}${optional('envelope_to', envelopeTo)}</identifiers>`,
    '<auth_results>',
    ...record.dkimResults.map(
      ({ domain, selector = '', result, human }) =>
        `<dkim>${line('domain', domain)}${line('selector', selector)}${line('result', result)}${optional('human_result', human)}</dkim>`,
    ),
    ...record.spfResults.map(
      ({ domain, scope, result, human }) =>
        `<spf>${line('domain', domain)}${optional('scope', scope)}${line('result', result)}${optional('human_result', human)}</spf>`,
    ),
    '</auth_results>',
    '</record>',
  ].join('\n')
}

const line = (name: string, text: string): string => `<${name}>${escapeXml(text)}</${name}>`
const optional = (name: string, text: string | undefined): string[] => (text === undefined ? [] : [line(name, text)])
