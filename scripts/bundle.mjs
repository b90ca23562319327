// What esbuild is told of modules that are loaded in a way of their own.

import { copyFileSync } from 'node:fs'
import { builtinModules } from 'node:module'
import { basename, join } from 'node:path'

/**
 * Node's own modules are taken as they are. An `import` of one reads every name that it exports, and so loads what stands behind them:
 * for `fs`, `util` and `crypto` together some seventy modules in each thread.
 */
export const builtins = {
  name: 'builtins',
  setup({ onResolve, onLoad }) {
    const names = builtinModules.map((name) => name.replace(/^node:/, '')).join('|')
    onResolve({ filter: new RegExp(`^(node:)?(${names})$`) }, ({ path, kind }) => ({
      path: path.replace(/^(node:)?/, 'node:'),
      namespace: kind === 'require-call' ? 'builtin-required' : 'builtin',
      sideEffects: false,
    }))
    onLoad({ filter: /^/, namespace: 'builtin-required' }, ({ path }) => ({
      contents: `module.exports = process.getBuiltinModule('${path}')`,
    }))
    onLoad({ filter: /^/, namespace: 'builtin' }, ({ path }) => ({ contents: facade(path) }))
  },
}

/** Each name by itself, and marked as pure: what nobody imports is left out. */
function facade(path) {
  const names = Object.keys(process.getBuiltinModule(path)).filter((name) => /^[A-Za-z_]\w*$/.test(name))
  return [
    `const $it = /* @__PURE__ */ process.getBuiltinModule('${path}')`,
    'const $of = (name) => $it[name]',
    'export default $it',
    ...names.map((name) => (name === 'default' ? '' : `export const ${name} = /* @__PURE__ */ $of('${name}')`)),
  ].join('\n')
}

/** iconv-lite's tables of multi-byte charsets, half a megabyte in each thread, lie beside the program until somebody writes in one. */
export const tables = (folder) => ({
  name: 'tables',
  setup({ onLoad, onResolve }) {
    onLoad({ filter: /iconv-lite\/encodings\/tables\/.*\.json$/ }, ({ path }) => {
      const name = `charset-${basename(path)}`
      copyFileSync(path, join(folder, name))
      return { contents: `module.exports = require('beside').readJson(${JSON.stringify(name)})`, loader: 'js' }
    })
    onResolve({ filter: /^beside$/ }, () => ({ path: 'beside', namespace: 'beside' }))
    onLoad({ filter: /^/, namespace: 'beside' }, () => ({
      contents: [
        "import { readFileSync } from 'node:fs'",
        "export const readJson = (name) => JSON.parse(readFileSync(new URL(name, import.meta.url), 'utf8'))",
      ].join('\n'),
    }))
  },
})
