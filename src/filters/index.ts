export { createGreylist, type GreylistParts } from './greylist.ts'
export * from './types.ts'
