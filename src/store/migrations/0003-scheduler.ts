// What the queue's scheduler needs: an index of what is ready by lane and turn, one of what waits by time, and rules of people.

export const scheduler = {
  name: '0003-scheduler',
  statements: [
    // state: waiting (not before next_at) | ready (in turn in its lane) | claimed (PostgreSQL: in the memory of `owner`) | held.
    // lane: what shares connections. rank: minus the priority, so that all of the order ascends. rule: what holds it;
    // null: somebody, by hand.
    `ALTER TABLE queue_recipient ADD COLUMN lane TEXT NOT NULL DEFAULT ''`,
    `ALTER TABLE queue_recipient ADD COLUMN rank {int} NOT NULL DEFAULT 0`,
    `ALTER TABLE queue_recipient ADD COLUMN turn {int} NOT NULL DEFAULT 0`,
    `ALTER TABLE queue_recipient ADD COLUMN rule {int}`,
    // Yesterday's `ready` had a time and no lane.
    `UPDATE queue_recipient SET state = 'waiting' WHERE state = 'ready'`,
    `DROP INDEX queue_recipient_due`,
    `CREATE INDEX queue_recipient_waiting ON queue_recipient (next_at) WHERE state = 'waiting'`,
    `CREATE INDEX queue_recipient_ready ON queue_recipient (lane, rank, turn, id) WHERE state = 'ready'`,
    `CREATE INDEX queue_recipient_held ON queue_recipient (rule, id) WHERE state = 'held'`,
    `CREATE INDEX queue_recipient_claimed ON queue_recipient (owner) WHERE state = 'claimed'`,

    // kind: pause (all that matches is held until the rule is gone) | hold (new mail that matches is held) | route (goes to target).
    // about: domain | provider | sender | recipient.
    `CREATE TABLE queue_rule (
      id {id},
      kind TEXT NOT NULL,
      about TEXT NOT NULL,
      pattern TEXT NOT NULL,
      target TEXT NOT NULL DEFAULT '',
      reason TEXT NOT NULL DEFAULT '',
      made_by TEXT NOT NULL DEFAULT '',
      made_at {int} NOT NULL)`,
  ],
} as const
