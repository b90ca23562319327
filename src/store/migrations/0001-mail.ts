// The first schema. `{id}` `{int}` `{bytes}` become each database's words (see migrate.ts). Times are milliseconds since 1970 UTC.

export const mail = {
  name: '0001-mail',
  statements: [
    `CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL)`,

    `CREATE TABLE domain (
      id {id},
      name TEXT NOT NULL UNIQUE,
      alias_of {int} REFERENCES domain(id),
      settings TEXT NOT NULL DEFAULT '{}',
      created_at {int} NOT NULL)`,

    // used_*, modseq and last_uidvalidity are rewritten by every delivery: the row is kept short.
    `CREATE TABLE account (
      id {id},
      domain {int} NOT NULL REFERENCES domain(id),
      local TEXT NOT NULL,
      name TEXT NOT NULL DEFAULT '',
      disabled {int} NOT NULL DEFAULT 0,
      admin {int} NOT NULL DEFAULT 0,
      quota_bytes {int},
      quota_messages {int},
      used_bytes {int} NOT NULL DEFAULT 0,
      used_messages {int} NOT NULL DEFAULT 0,
      modseq {int} NOT NULL DEFAULT 1,
      last_uidvalidity {int} NOT NULL DEFAULT 0,
      created_at {int} NOT NULL,
      UNIQUE (domain, local))`,
    // Whom postmaster reaches where nobody has that name: few rows, asked for by strangers.
    `CREATE INDEX account_admin ON account (domain, id) WHERE admin = 1`,
    `CREATE TABLE account_settings (
      account {int} PRIMARY KEY REFERENCES account(id),
      password TEXT,
      scram TEXT,
      settings TEXT NOT NULL DEFAULT '{}')`,

    // local is the empty string for a catch-all.
    `CREATE TABLE alias (
      id {id},
      domain {int} NOT NULL REFERENCES domain(id),
      local TEXT NOT NULL,
      destinations TEXT NOT NULL,
      created_at {int} NOT NULL,
      UNIQUE (domain, local))`,

    `CREATE TABLE mailbox (
      id {id},
      account {int} NOT NULL REFERENCES account(id),
      name TEXT NOT NULL,
      role TEXT,
      uidvalidity {int} NOT NULL,
      uidnext {int} NOT NULL DEFAULT 1,
      modseq {int} NOT NULL,
      epoch {int} NOT NULL,
      recent_uid {int} NOT NULL DEFAULT 0,
      messages {int} NOT NULL DEFAULT 0,
      unseen {int} NOT NULL DEFAULT 0,
      deleted {int} NOT NULL DEFAULT 0,
      size {int} NOT NULL DEFAULT 0,
      created_at {int} NOT NULL,
      UNIQUE (account, name))`,
    `CREATE TABLE mailbox_keyword (
      mailbox {int} NOT NULL REFERENCES mailbox(id),
      n {int} NOT NULL,
      name TEXT NOT NULL,
      PRIMARY KEY (mailbox, n)) {rowless}`,
    `CREATE TABLE subscription (
      account {int} NOT NULL REFERENCES account(id),
      name TEXT NOT NULL,
      PRIMARY KEY (account, name)) {rowless}`,

    // Bytes as received and what was computed from them; once in the house. refs: ids of References and In-Reply-To, one a line.
    `CREATE TABLE content (
      id {id},
      hash {bytes} NOT NULL UNIQUE,
      size {int} NOT NULL,
      file TEXT,
      structure TEXT NOT NULL,
      envelope TEXT NOT NULL,
      bodystructure TEXT NOT NULL,
      has8bit {int} NOT NULL,
      message_id TEXT,
      refs TEXT NOT NULL,
      sent_at {int},
      base_subject TEXT NOT NULL,
      sort_from TEXT NOT NULL, sort_to TEXT NOT NULL, sort_cc TEXT NOT NULL,
      display_from TEXT NOT NULL, display_to TEXT NOT NULL,
      subject_text TEXT NOT NULL, from_text TEXT NOT NULL, to_text TEXT NOT NULL, cc_text TEXT NOT NULL, bcc_text TEXT NOT NULL,
      preview TEXT NOT NULL,
      has_attachment {int} NOT NULL,
      created_at {int} NOT NULL)`,
    `CREATE INDEX content_file ON content (file) WHERE file IS NOT NULL`,
    `CREATE TABLE content_data (content {int} PRIMARY KEY, data {bytes} NOT NULL)`,

    // One arrival in one account. size = prefix + content. A thread's id is the id of its first message, where thread is null.
    `CREATE TABLE message (
      id {id},
      account {int} NOT NULL,
      content {int} NOT NULL,
      prefix {bytes} NOT NULL,
      size {int} NOT NULL,
      received_at {int} NOT NULL,
      thread {int})`,
    `CREATE INDEX message_content ON message (content)`,
    `CREATE INDEX message_thread ON message (thread) WHERE thread IS NOT NULL`,
    `CREATE TABLE thread_ref (
      account {int} NOT NULL,
      key {int} NOT NULL,
      thread {int} NOT NULL,
      PRIMARY KEY (account, key)) {rowless}`,

    `CREATE TABLE entry (
      mailbox {int} NOT NULL,
      uid {int} NOT NULL,
      message {int} NOT NULL,
      saved_at {int} NOT NULL,
      PRIMARY KEY (mailbox, uid)) {rowless}`,
    `CREATE INDEX entry_message ON entry (message)`,
    // Presence, flags and modseqs of UIDs block*256 … block*256+255; modseq is the highest in the block.
    `CREATE TABLE flag_block (
      mailbox {int} NOT NULL,
      block {int} NOT NULL,
      modseq {int} NOT NULL,
      data {bytes} NOT NULL,
      PRIMARY KEY (mailbox, block))`,

    `CREATE TABLE change_log (
      account {int} NOT NULL,
      modseq {int} NOT NULL,
      kind TEXT NOT NULL,
      container {int} NOT NULL,
      what TEXT NOT NULL,
      ids TEXT NOT NULL,
      PRIMARY KEY (account, modseq, kind, container, what)) {rowless}`,

    // sender: null is the null reverse-path. account: who submitted it.
    `CREATE TABLE queue_message (
      id {id},
      content {int} NOT NULL,
      prefix {bytes} NOT NULL,
      sender TEXT,
      account {int},
      utf8 {int} NOT NULL DEFAULT 0,
      body8 {int} NOT NULL DEFAULT 0,
      params TEXT NOT NULL DEFAULT '{}',
      size {int} NOT NULL,
      created_at {int} NOT NULL)`,
    `CREATE INDEX queue_message_content ON queue_message (content)`,
    // state: ready | claimed | held. owner: the process incarnation that holds the claim. next_at: when it is due.
    `CREATE TABLE queue_recipient (
      id {id},
      message {int} NOT NULL REFERENCES queue_message(id),
      address TEXT NOT NULL,
      domain TEXT NOT NULL,
      kind TEXT NOT NULL DEFAULT 'remote',
      state TEXT NOT NULL DEFAULT 'ready',
      owner TEXT,
      attempts {int} NOT NULL DEFAULT 0,
      next_at {int} NOT NULL,
      warned {int} NOT NULL DEFAULT 0,
      reason TEXT NOT NULL DEFAULT '',
      params TEXT NOT NULL DEFAULT '{}')`,
    `CREATE INDEX queue_recipient_due ON queue_recipient (state, next_at)`,
    `CREATE INDEX queue_recipient_message ON queue_recipient (message)`,

    // content: the content that the payload names, so that it is not swept before the job has run.
    `CREATE TABLE job (
      id {id},
      name TEXT NOT NULL,
      payload TEXT NOT NULL,
      content {int},
      run_at {int} NOT NULL,
      attempts {int} NOT NULL DEFAULT 0,
      owner TEXT,
      error TEXT NOT NULL DEFAULT '')`,
    `CREATE INDEX job_due ON job (run_at)`,
    `CREATE INDEX job_content ON job (content) WHERE content IS NOT NULL`,
  ],
} as const
