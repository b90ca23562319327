// What the spam filter has learnt of each user, and of which messages.

export const classifier = {
  name: '0014-classifier',
  statements: [
    // spam, ham: messages learnt, in the parts that data counts in. generation: how often all counts were halved. data: see the room
    // filters; version rises with each change.
    `CREATE TABLE classifier_model (
      account {int} PRIMARY KEY,
      version {int} NOT NULL,
      spam {int} NOT NULL,
      ham {int} NOT NULL,
      generation {int} NOT NULL,
      data {bytes} NOT NULL,
      changed_at {int} NOT NULL)`,
    // digest: of the content. kind: 1 spam, 0 ham. generation: the model's when it was learnt.
    `CREATE TABLE classifier_learnt (
      account {int} NOT NULL,
      digest {bytes} NOT NULL,
      kind {int} NOT NULL,
      generation {int} NOT NULL,
      learnt_at {int} NOT NULL,
      PRIMARY KEY (account, digest))`,
    `CREATE INDEX classifier_learnt_at ON classifier_learnt (account, learnt_at)`,
  ],
} as const
