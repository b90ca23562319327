// Addresses to which a domain does not write any more, and what was sent under a return path that leads back to it.

export const returned = {
  name: '0004-returned',
  statements: [
    // class: a class of refusals, `complaint` or `manual`. active 0: only counted so far. expires_at null: until somebody removes it.
    `CREATE TABLE suppression (
      id {id},
      domain {int} NOT NULL,
      address TEXT NOT NULL,
      class TEXT NOT NULL,
      source TEXT NOT NULL,
      reason TEXT NOT NULL,
      created_by TEXT NOT NULL,
      active {int} NOT NULL,
      times {int} NOT NULL,
      first_at {int} NOT NULL,
      last_at {int} NOT NULL,
      expires_at {int},
      UNIQUE (domain, address))`,
    `CREATE INDEX suppression_domain ON suppression (domain, id)`,
    `CREATE INDEX suppression_counted ON suppression (domain) WHERE active = 0`,
    `CREATE INDEX suppression_expiry ON suppression (expires_at) WHERE expires_at IS NOT NULL`,

    // One row for each message of a domain with signed return paths: who sent it and to whom, for the bounce that comes later.
    `CREATE TABLE sent (
      message {int} PRIMARY KEY,
      domain {int} NOT NULL,
      sender TEXT NOT NULL,
      recipients TEXT NOT NULL,
      trace TEXT NOT NULL,
      reports {int} NOT NULL DEFAULT 0,
      created_at {int} NOT NULL)`,
  ],
} as const
