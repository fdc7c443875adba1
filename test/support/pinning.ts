/** Keeps a process and all it started on one core, as if it were a machine of its own. Linux. */
import { execFileSync } from 'node:child_process'
import { readdirSync, readFileSync } from 'node:fs'

/** The process and everything that came of it. */
function familyOf(pid: number): number[] {
  const children = readdirSync(`/proc/${pid}/task`).flatMap((task) =>
    readFileSync(`/proc/${pid}/task/${task}/children`, 'utf8').split(' ').filter(Boolean),
  )
  return [pid, ...children.map(Number).flatMap(familyOf)]
}

/** @throws Error where there is no `taskset` (util-linux) or no `/proc`. */
export function pinTo(core: number, pid: number): void {
  for (const one of familyOf(pid))
    execFileSync('taskset', ['-a', '-c', '-p', String(core), String(one)], { stdio: 'ignore' })
}
