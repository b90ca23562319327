// Who else may do what with a mailbox, and what clients note about mailboxes and accounts.

export const sharing = {
  name: '0002-sharing',
  statements: [
    // rights and denied: letters of RFC 4314 §2.1, granted to the identifier and to its negative (`-identifier`).
    `CREATE TABLE mailbox_acl (
      mailbox {int} NOT NULL REFERENCES mailbox(id),
      account {int} NOT NULL,
      rights TEXT NOT NULL,
      denied TEXT NOT NULL,
      PRIMARY KEY (mailbox, account)) {rowless}`,
    `CREATE INDEX mailbox_acl_account ON mailbox_acl (account, mailbox)`,

    // RFC 5464. mailbox 0: of the server. account 0: shared by all who may see it, else private to that account. entry: lower case.
    `CREATE TABLE annotation (
      mailbox {int} NOT NULL,
      account {int} NOT NULL,
      entry TEXT NOT NULL,
      value {bytes} NOT NULL,
      PRIMARY KEY (mailbox, account, entry)) {rowless}`,
    `CREATE INDEX annotation_account ON annotation (account) WHERE account <> 0`,
  ],
} as const
