// The certificates of dane.test.ts: a root, an authority below it, servers, and some that break a rule.

import { issue } from '../../tls/testing/authority.ts'

export function certificates() {
  const root = issue({ subject: 'Root', ca: true })
  const middle = issue({ subject: 'Middle', ca: true, pathLength: 0, by: root })
  const server = { names: ['mx.a.test'], by: middle }
  const deepMiddle = issue({ subject: 'Deep', ca: true, by: middle })
  const constrained = issue({ subject: 'Constrained', ca: true, below: 'c.test', by: root })
  const made = {
    root,
    middle,
    leaf: issue(server),
    expired: issue({ ...server, to: Date.parse('2021-01-01') }),
    wild: issue({ names: ['*.b.test'], by: middle }),
    other: issue({ names: ['mx.a.test'] }),
    deepMiddle,
    deep: issue({ names: ['mx.a.test'], by: deepMiddle }),
    constrained,
    constrainedLeaf: issue({ names: ['mx.a.test'], by: constrained }),
    mailLeaf: issue({ ...server, purpose: '1.3.6.1.5.5.7.3.4' }),
    forgedRoot: issue({ subject: 'Root', ca: true }),
  }
  const all = Object.entries(made).map(([name, { certificate }]) => [name, certificate] as const)
  return Object.fromEntries(all) as { readonly [K in keyof typeof made]: (typeof all)[number][1] }
}
