export { type ImapLimits, imapLimits } from './limits.ts'
export { type ImapListener, listenImap } from './listen.ts'
export type { ImapServerOptions, ImapServices, ImapSettings, MessageSpool } from './options.ts'
export { createImapServer, type ImapServer, type ImapStats } from './server.ts'
