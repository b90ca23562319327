export * from './bounce.ts'
export { type ClassWords, classWords, type ReplyClass } from './classes.ts'
export { classify, classifyText, type FoundReply, findReply, type Refusal, type Verdict } from './classify.ts'
