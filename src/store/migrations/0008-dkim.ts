// Keys with which mail of a domain is signed.

export const dkim = {
  name: '0008-dkim',
  statements: [
    // private_key: sealed. state: waiting (to be published), active (signs), retired (signs no more, and may be published still).
    `CREATE TABLE dkim_key (
      id {id},
      domain {int} NOT NULL,
      selector TEXT NOT NULL,
      algorithm TEXT NOT NULL,
      private_key {bytes} NOT NULL,
      record TEXT NOT NULL,
      state TEXT NOT NULL,
      created_at {int} NOT NULL,
      state_at {int} NOT NULL,
      UNIQUE (domain, selector))`,
  ],
} as const
