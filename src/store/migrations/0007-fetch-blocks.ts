// What FETCH shows of 64 messages side by side, and whether a job that packs it waits.

export const fetchBlocks = {
  name: '0007-fetch-blocks',
  statements: [
    // Of the UIDs block*64 … block*64+63, once no more are added there. part: which column, see rows/fetch-block.ts. Made anew from other
    // rows at any time.
    `CREATE TABLE fetch_block (
      mailbox {int} NOT NULL,
      block {int} NOT NULL,
      part {int} NOT NULL,
      data {bytes} NOT NULL,
      PRIMARY KEY (mailbox, block, part))`,
    // 1: a job pack-mailbox waits.
    `ALTER TABLE mailbox ADD COLUMN packing {int} NOT NULL DEFAULT 0`,
  ],
} as const
