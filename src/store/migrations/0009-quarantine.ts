// Mail that is kept apart until somebody lets it go.

export const quarantine = {
  name: '0009-quarantine',
  statements: [
    // One row for each message and recipient. domain: whose settings put it here, 0: nobody's. account: whose mailbox it is for; null: it goes on to others.
    // prefix: the header lines that stand above it when it is let go. reasons: JSON, a list of words. params: JSON of delivery/quarantine/types.ts.
    // author, subject: what the message says of itself, as text to show. told: 1 when its owner has heard of it.
    `CREATE TABLE quarantine (
      id {id},
      trace TEXT NOT NULL,
      domain {int} NOT NULL,
      account {int},
      address TEXT NOT NULL,
      sender TEXT,
      author TEXT NOT NULL,
      subject TEXT NOT NULL,
      content {int} NOT NULL,
      prefix {bytes} NOT NULL,
      size {int} NOT NULL,
      kind TEXT NOT NULL,
      reasons TEXT NOT NULL,
      params TEXT NOT NULL,
      received_at {int} NOT NULL,
      expires_at {int} NOT NULL,
      told {int} NOT NULL DEFAULT 0)`,
    `CREATE INDEX quarantine_content ON quarantine (content)`,
    `CREATE INDEX quarantine_domain ON quarantine (domain, id)`,
    `CREATE INDEX quarantine_account ON quarantine (account, id)`,
    `CREATE INDEX quarantine_expires ON quarantine (expires_at)`,
  ],
} as const
