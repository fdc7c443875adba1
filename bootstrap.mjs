// Runs before `npm start`, `npm test` and `npm run bench`: installs the packages when they are
// missing or older than the lock. Plain JavaScript without imports of ours, because on a fresh
// clone it runs under whatever Node the machine has. `npm ci` is not used: the lock lacks other
// platforms' optional packages.
import { spawnSync } from 'node:child_process'
import { statSync } from 'node:fs'

const [major] = process.versions.node.split('.')
if (Number(major) < 20) {
  console.error(`proofwire needs Node 20 or newer to install itself; this is ${process.version}.`)
  process.exit(1)
}
const modified = (path) => statSync(path, { throwIfNoEntry: false })?.mtimeMs ?? 0
const installed = modified('node_modules/.package-lock.json')
if (installed === 0 || installed < modified('package-lock.json')) {
  console.error('Installing packages (once; about a minute) ...')
  const args = ['install', '--no-save', '--no-audit', '--no-fund', '--loglevel=error']
  const { status } = spawnSync('npm', args, { stdio: ['ignore', 'inherit', 'inherit'] })
  if (status !== 0) process.exit(status ?? 1)
}
