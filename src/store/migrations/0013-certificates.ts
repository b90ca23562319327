// Certificates that authorities issued or that were imported, the accounts at authorities, and what is to be proven to them right now.

export const certificates = {
  name: '0013-certificates',
  statements: [
    // names: JSON. source: acme, imported. chain: PEM, empty until it is issued. private_key, next_key: sealed. version rises when doors must
    // look again. busy_until: somebody orders it until then.
    `CREATE TABLE certificate (
      id {id},
      name TEXT NOT NULL UNIQUE,
      names TEXT NOT NULL,
      source TEXT NOT NULL,
      directory TEXT NOT NULL,
      chain TEXT NOT NULL,
      private_key {bytes},
      next_key {bytes},
      next_key_seen_at {int},
      not_before {int},
      not_after {int},
      renew_at {int},
      due_at {int} NOT NULL,
      attempts {int} NOT NULL,
      error TEXT NOT NULL,
      busy_until {int} NOT NULL,
      version {int} NOT NULL,
      created_at {int} NOT NULL)`,
    `CREATE INDEX certificate_due ON certificate (due_at)`,

    // caa: what the authority calls itself in CAA records, JSON.
    `CREATE TABLE acme_account (
      directory TEXT PRIMARY KEY,
      url TEXT NOT NULL,
      private_key {bytes} NOT NULL,
      caa TEXT NOT NULL,
      created_at {int} NOT NULL)`,

    // kind: http-01 (identifier is the token), tls-alpn-01 (the name). value: the key authorization.
    `CREATE TABLE acme_challenge (
      kind TEXT NOT NULL,
      identifier TEXT NOT NULL,
      value TEXT NOT NULL,
      expires_at {int} NOT NULL,
      PRIMARY KEY (kind, identifier))`,
  ],
} as const
