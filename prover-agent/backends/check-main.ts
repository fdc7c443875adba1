/**
 * `npm run backend-check -- CMD [ARGUMENTS…]`: whether a program keeps the contract of the
 * `command` backend. Exit status 0 when no rule is broken, 1 when one is, 2 for wrong arguments.
 */
import { parseArgs } from 'node:util'
import { buildShape } from '../circuits/build.ts'
import { shapeNames } from '../circuits/shapes.ts'
import { checkBackend, type Finding, rules, type Subject } from './check.ts'
import { createGround } from './check-ground.ts'
import { type CheckJobs, folderJobs, isShape, shapeJobs } from './check-jobs.ts'
import { createCommandBackend } from './command.ts'
import { createSnarkjsBackend } from './snarkjs.ts'

const usage = `npm run backend-check -- [OPTIONS] CMD [ARGUMENTS...]
npm run backend-check -- [OPTIONS] --backend snarkjs

  CMD                 the program, as in the agent's setting \`command\`; absolute paths
  --backend snarkjs   check a backend of ours instead of a program
  --shape NAME        prove jobs of this circuit (${shapeNames.join(', ')}); default tiny
  --job FOLDER        instead: the job.json and inputs of this folder, for a program whose circuit
                      is not ours; whether a proof verifies is not checked then
  --timeout SECONDS   how long a proof may take; default 60
  --grace SECONDS     how long it may take to end on SIGTERM; default 2
  --allow-cache DIR   it may write there: a folder in your home, or an absolute path; repeatable
  --watch DIR         compare this folder too, before and after; repeatable`

type Options = {
  readonly backend: string | undefined
  readonly command: readonly string[]
  readonly shape: string
  readonly job: string | undefined
  readonly timeoutMs: number
  readonly graceMs: number
  readonly caches: readonly string[]
  readonly watched: readonly string[]
}

/** Our own options end where the program begins: what follows is the program's. */
function readOptions(args: readonly string[]): Options {
  const valued = ['backend', 'shape', 'job', 'timeout', 'grace', 'allow-cache', 'watch']
  let own = 0
  while (args[own]?.startsWith('--') && args[own] !== '--') {
    const [name, inline] = args[own]!.slice(2).split('=', 2)
    own += valued.includes(name!) && inline === undefined ? 2 : 1
  }
  const { values } = parseArgs({
    args: args.slice(0, own),
    options: {
      backend: { type: 'string' },
      shape: { type: 'string', default: 'tiny' },
      job: { type: 'string' },
      timeout: { type: 'string', default: '60' },
      grace: { type: 'string', default: '2' },
      'allow-cache': { type: 'string', multiple: true, default: [] },
      watch: { type: 'string', multiple: true, default: [] },
      help: { type: 'boolean', default: false },
    },
  })
  const command = args.slice(args[own] === '--' ? own + 1 : own)
  if (values.help) throw new RangeError('')
  if (values.backend !== undefined && values.backend !== 'snarkjs') {
    throw new RangeError(`there is no backend ${values.backend}; a program is named without it`)
  }
  if ((values.backend === undefined) === (command.length === 0)) {
    throw new RangeError('name a program, or --backend snarkjs')
  }
  return {
    backend: values.backend,
    command,
    shape: values.shape,
    job: values.job,
    timeoutMs: milliseconds('timeout', values.timeout),
    graceMs: milliseconds('grace', values.grace),
    caches: values['allow-cache'],
    watched: values.watch,
  }
}

function milliseconds(name: string, text: string): number {
  const seconds = Number(text)
  if (!(seconds > 0 && seconds <= 3_600)) {
    throw new RangeError(`--${name} is a number of seconds, up to 3600; not ${text}`)
  }
  return Math.round(seconds * 1_000)
}

async function jobsFor({ shape, job }: Options): Promise<CheckJobs> {
  if (job !== undefined) return folderJobs(job)
  if (!isShape(shape)) {
    throw new RangeError(`there is no shape ${shape}; there are ${shapeNames.join(', ')}`)
  }
  await buildShape(shape, (line) => console.error(line))
  return shapeJobs(shape)
}

async function check(options: Options): Promise<readonly Finding[]> {
  const { backend, command, timeoutMs, graceMs } = options
  const jobs = await jobsFor(options)
  const ground = backend === undefined ? await createGround(options) : null
  const create: Subject['create'] = (programIds, onEnd) => {
    const made =
      ground === null
        ? createSnarkjsBackend({ shapes: shapeNames })
        : createCommandBackend({
            name: command[0]!,
            argv: command as readonly [string, ...string[]],
            programIds,
            graceMs,
            directory: ground.jobs,
            environment: ground.environment,
            onEnd,
          })
    for (const signal of ['SIGINT', 'SIGTERM'] as const) {
      process.once(signal, async () => {
        await made.close()
        await ground?.remove()
        process.exit(2)
      })
    }
    return made
  }
  try {
    return await checkBackend({ create, ground, jobs, timeoutMs, graceMs })
  } finally {
    await ground?.remove()
    await jobs.close()
  }
}

const words = { holds: 'holds      ', broken: 'BROKEN     ', 'not checked': 'not checked' } as const

/** One line a rule, and below a broken one what was seen. */
function report(findings: readonly Finding[]): void {
  for (const { rule, verdict, seen } of findings) {
    const line = `${words[verdict]}  ${rule.padEnd(3)}  ${rules[rule]}`
    console.log(verdict === 'holds' ? line : `${line}\n${' '.repeat(18)}${seen}`)
  }
  const count = (verdict: Finding['verdict']) =>
    findings.filter((finding) => finding.verdict === verdict).length
  const unchecked = count('not checked')
  const rest = unchecked > 0 ? `, ${unchecked} not checked` : ''
  console.log(`\n${count('holds')} rules hold, ${count('broken')} broken${rest}`)
  process.exitCode = count('broken') > 0 ? 1 : 0
}

try {
  report(await check(readOptions(process.argv.slice(2))))
} catch (error) {
  const isUsage = error instanceof RangeError || error instanceof TypeError
  const message = error instanceof Error ? error.message : String(error)
  console.error(isUsage ? `${message}\n\n${usage}`.trim() : message)
  process.exitCode = 2
}
