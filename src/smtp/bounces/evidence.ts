// Whether a message without a report's fields is a bounce at all: two signs of five, and none of a person's hand.

import { isReplySubject } from '../../mime/index.ts'
import { foldText } from './classify.ts'
import { type ReturnedMail, returnedPart } from './message.ts'

const daemons = ['mailer-daemon', 'postmaster', 'poostmaster', 'mail.delivery.system', 'maildeliverysystem', 'mmdf']

const subjectWords = [
  ' undeliver* ',
  ' returned mail ',
  ' failure notice ',
  ' delivery failure ',
  ' delivery failed ',
  ' delivery has failed ',
  ' delivery status ',
  ' mail system error ',
  ' could not be delivered ',
  ' error sending your mail ',
  ' delayed ',
  ' not delivered ',
  ' mail delivery ',
].map((words) => words.replace('* ', ''))

const noticeWords = [
  ' not be delivered ',
  ' failed permanently ',
  ' unable to deliver ',
  ' able to deliver ',
  ' has been delayed ',
  ' did not reach ',
  ' error delivering ',
  ' delivery failed ',
  ' has been failed ',
  ' fatal errors ',
  ' had delivery errors ',
  ' not yet been delivered ',
  ' attempting to deliver ',
  ' trying to deliver ',
  ' failure reasons ',
  ' rejected by a remote mail server ',
  ' rejected by a remote ',
  ' trouble delivering ',
  ' invalid final delivery userid ',
  ' transcript of session follows ',
  ' server message ',
  ' be delivered to ',
]

/** Signs: a null or a daemon's sender, named recipients, the subject, the text, a returned message. */
export function isBounce(mail: ReturnedMail, notice: string): boolean {
  const daemon = isDaemon(mail)
  const subject = mail.field('subject')
  if (!daemon && isReplySubject(subject)) return false
  const subjectFold = foldText(subject)
  const noticeFold = foldText(notice.slice(0, 2000).replaceAll('\n', ' '))
  const signs = [
    daemon,
    mail.field('x-failed-recipients') !== '',
    subjectWords.some((words) => subjectFold.includes(words)),
    noticeWords.some((words) => noticeFold.includes(words)),
    returnedPart(mail) !== undefined,
  ]
  return signs.filter(Boolean).length >= 2
}

function isDaemon(mail: ReturnedMail): boolean {
  const path = mail.field('return-path').toLowerCase()
  const from = mail.field('from').toLowerCase()
  return (
    path === '<>' ||
    path === '<null>' ||
    from === '<>' ||
    [path, from].some((text) => daemons.some((name) => text.includes(name)))
  )
}

/** Written by a program in answer to a message (RFC 3834 §5), or by one that does not say so. */
export function isAutoReply(mail: ReturnedMail): boolean {
  if (mail.field('auto-submitted').toLowerCase().startsWith('auto-replied')) return true
  if (mail.field('x-autoreply') !== '' || mail.field('x-autorespond') !== '') return true
  const subject = foldText(mail.field('subject'))
  return [' automatic reply ', ' auto reply ', ' out of office ', ' automatische antwort ', ' autoreply '].some(
    (words) => subject.startsWith(words),
  )
}
