export { type Change, type ChangePage, type FollowOptions, follow, readPage } from './follow.ts'
