export { type Change, type ChangePage, type FollowOptions, follow } from './follow.ts'
