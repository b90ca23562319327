// MTA-STS policies of other domains, for as long as these said.

export const sts = {
  name: '0011-sts',
  statements: [
    // policy: the text as it was fetched. failure: why it could not be fetched again; empty: it could.
    `CREATE TABLE sts_policy (
      domain TEXT PRIMARY KEY,
      policy_id TEXT NOT NULL,
      policy TEXT NOT NULL,
      fetched_at {int} NOT NULL,
      expires_at {int} NOT NULL,
      refresh_at {int} NOT NULL,
      used_at {int} NOT NULL,
      failure TEXT NOT NULL)`,
    `CREATE INDEX sts_policy_refresh ON sts_policy (refresh_at, domain)`,
    `CREATE INDEX sts_policy_expiry ON sts_policy (expires_at)`,
  ],
} as const
