// Which contents can be searched without being decoded.

export const literal = {
  name: '0006-literal',
  statements: [
    // Every word of the texts stands literally, in ASCII, before this offset. Null: not so, or the content came before this step.
    `ALTER TABLE content ADD COLUMN literal_end {int}`,
  ],
} as const
