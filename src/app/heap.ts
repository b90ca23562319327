// V8 while the server works: how its heap may grow, what it keeps compiled, and the means to have garbage collected.
// None of it holds during the start: with any of these flags V8 refuses what it compiled without them, Node's own modules too, and the
// start would take half as long again.

import { flushCompileCache } from 'node:module'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'

/** Keeps what this thread has compiled so far for the next start: it is read under the flags that it was written under. */
export const keepCompiled = (): void => flushCompileCache()

/** For all threads of the process, when each has kept what it compiled. */
export function beginWork(): void {
  // Garbage is collected when the heap has become two and a half times what lives, not four times: under a rush the process grows a quarter less.
  setFlagsFromString('--heap-growing-percent=150')
  // The collection of an idle thread keeps what is compiled to bytecode, so that the next rush need not parse the source again.
  setFlagsFromString('--no-flush-bytecode')
  setFlagsFromString('--expose-gc')
  // Compiled sooner than V8 would (400 calls, 500 of them after types changed, 3,000 for the best code): a fifth of a rush ran in its slowest
  // code after ten thousand messages. Sooner still, compiling takes from the first two thousand messages what the others gain.
  setFlagsFromString('--invocation-count-for-maglev=200')
  setFlagsFromString('--minimum-invocations-after-ic-update=200')
  setFlagsFromString('--invocation-count-for-turbofan=2000')
  // A nursery of 16 MiB is done in a millisecond or two; waking helpers for it costs more than they save.
  setFlagsFromString('--no-parallel-scavenge')
}

/** Gives this thread `globalThis.gc`, which V8 has only for a context that is made under the flag. */
export function lendCollector(): void {
  globalThis.gc ??= runInNewContext('gc') as NodeJS.GCFunction
}
