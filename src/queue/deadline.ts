// Times of one message: the schedule of all mail, and what its sender asked for (DELIVERBY, FUTURERELEASE). Only arithmetic.

import type { Mail } from './batch.ts'
import { nextAttempt, type Schedule } from './schedule.ts'

type Timed = Pick<Mail, 'arrived' | 'params'>

/** From when on the schedule counts: a message that was held by wish has not waited yet (RFC 4865 §4). */
const startOf = ({ arrived, params }: Timed): number => Math.max(arrived, params.holdUntil ?? arrived)

const lifetimeOf = (schedule: Schedule, { params }: Timed): number => params.lifetime ?? schedule.lifetime

/** Whether the time is up that its sender set for the delivery: it must come back, untried (RFC 2852 §4.1). */
export function isOverdue({ params }: Timed, now: number): boolean {
  return params.by?.mode === 'return' && now >= params.by.at
}

/** When we give up. */
export function endOf(schedule: Schedule, mail: Timed): number {
  const end = startOf(mail) + lifetimeOf(schedule, mail)
  const { by } = mail.params
  return by?.mode === 'return' ? Math.min(by.at, end) : end
}

/** When the sender hears that the message waits; undefined: never. Who named a time himself hears then, and not before. */
export function noticeAt(schedule: Schedule, mail: Timed): number | undefined {
  const { by } = mail.params
  if (by?.mode === 'notify') return by.at
  return schedule.delayNotice === undefined ? undefined : startOf(mail) + schedule.delayNotice
}

/** When to try after an attempt that ended at `now`; undefined: give up. The last attempt and a notice that was asked for are on time. */
export function nextOf(schedule: Schedule, mail: Timed, now: number): number | undefined {
  const end = endOf(schedule, mail)
  const lifetime = lifetimeOf(schedule, mail)
  const planned = nextAttempt({ ...schedule, lifetime }, startOf(mail), now)
  if (planned === undefined || now >= end) return undefined
  const { by } = mail.params
  const notice = by?.mode === 'notify' && by.at > now ? by.at : Number.POSITIVE_INFINITY
  return Math.min(planned, notice, end)
}
