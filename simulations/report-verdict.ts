/** The first part of the terminal's report: what ran, and whether all is well. */
import {
  duration,
  effort,
  exact,
  figure,
  findingLines,
  NOTHING,
  rangeText,
  runsText,
  seedsText,
  settingLines,
} from './report-format.ts'
import {
  indented,
  left,
  type Paint,
  plain,
  type Scene,
  section,
  table,
  wrap,
} from './report-terminal.ts'
import { isPassed } from './result.ts'

const VERDICT_WIDTH = 8

/** Verdict, size and speed. */
export function heading({ runs, other, width, paint }: Scene): string[] {
  const first = runs[0]!
  const failed = runs.filter((run) => !isPassed(run)).length
  const of = runs.length > 1 ? ` (${failed} of ${runs.length} runs)` : ''
  const verdict = failed === 0 ? paint('green', 'passed') : paint('red', `FAILED${of}`)
  const { events, wallS, simulatedS, eventsPerS } = effort(runs)
  const size = `${rangeText(runs.map(({ nodes }) => nodes))} nodes, ${seedsText(runs)}`
  const speed = Number.isNaN(eventsPerS) ? '' : `, ${figure(eventsPerS, 0)} events/s`
  const all = runs.length > 1 ? ' (seeds added up)' : ''
  const work = `${figure(events)} events, ${duration(simulatedS)} simulated`
  const lines = wrap(`${size}, ${work} in ${duration(wallS)} of wall time${all}${speed}`, width)
  const title = `${paint('bold', plain(first.scenario))}  ${verdict}`
  const digest = runs.length === 1 ? [paint('dim', `digest ${plain(first.digest)}`)] : []
  const against = other ? [`compared with ${runsText(other)}`] : []
  return [title, ...lines, ...against, ...digest]
}

/** What differs from the default or, in a comparison, between the sides; else all. */
export function settings(scene: Scene): string[] {
  const { runs, other, defaults, width, paint } = scene
  const lines = settingLines(runs, other, defaults).map((line) => ({
    ...line,
    name: plain(line.name),
    value: plain(line.value),
    other: line.other === null ? null : plain(line.other),
  }))
  if (other) {
    const changed = lines.filter(({ isChanged }) => isChanged)
    const rows = changed.map((line) => [line.name, line.other!, line.value])
    if (rows.length === 0) return section(scene, 'Settings', ['  the same in A and B'])
    return section(
      scene,
      'Settings that differ',
      table([left('setting'), left('A'), left('B')], rows, width, paint),
    )
  }
  if (!defaults)
    return section(
      scene,
      'Settings',
      indented(wrap(lines.map(({ name, value }) => `${name} ${value}`).join(', '), width - 2), 2),
    )
  const changed = lines.filter(({ isChanged }) => isChanged)
  const rows = changed.map(({ name, value }) => [
    name,
    value,
    name in defaults ? plain(String(defaults[name])) : NOTHING,
  ])
  if (rows.length === 0) return section(scene, 'Settings', ['  all as by default'])
  const columns = [left('setting'), left('value'), left('default')]
  return section(scene, 'Settings that differ from the default', table(columns, rows, width, paint))
}

const verdict = (paint: Paint, holds: boolean): string =>
  holds ? paint('green', 'ok'.padEnd(VERDICT_WIDTH)) : paint('red', 'FAILED'.padEnd(VERDICT_WIDTH))

/** Every pass line with what was seen. */
export function passLines(scene: Scene): string[] {
  const { runs, width, paint } = scene
  const room = width - 2 - VERDICT_WIDTH
  const lines = findingLines(runs).flatMap(({ line, holds, seen, heldAt, count }) => {
    const of = count > 1 ? ` (${heldAt} of ${count} seeds)` : ''
    const [first, ...more] = wrap(`${plain(line)}${of}`, room)
    const figures = seen.flatMap((one) =>
      wrap(`${count > 1 ? `seed ${one.seed}: ` : ''}${plain(one.seen)}`, room),
    )
    const below = [...more, ...figures.map((text) => paint('dim', text))]
    return [`  ${verdict(paint, holds)}${first}`, ...indented(below, 2 + VERDICT_WIDTH)]
  })
  return section(scene, 'Pass lines', lines)
}

/** That all were kept, or each violation and how to see it again. */
export function invariants(scene: Scene): string[] {
  const { runs, width, paint } = scene
  const events = figure(effort(runs).events)
  const found = runs.flatMap((run) => run.violations.map((violation) => ({ run, violation })))
  if (found.length === 0)
    return section(scene, 'Invariants', [
      `  ${verdict(paint, true)}I1 to I8 kept after each of ${events} events`,
    ])
  const lines = found.flatMap(({ run, violation }, index) => {
    const { invariant, atMs, event, what } = violation
    const where = `${invariant} at ${exact(atMs)} ms, event ${figure(event)}, seed ${run.seed}`
    // One command replays all violations of a run.
    const isLastOfRun = found[index + 1]?.run !== run
    const replay = `    ${paint('cyan', plain(run.command))}`
    return [
      `  ${verdict(paint, false)}${where}`,
      ...indented(wrap(plain(what), width - 2 - VERDICT_WIDTH), 2 + VERDICT_WIDTH),
      // Never broken: it is there to be copied.
      ...(isLastOfRun ? ['    run exactly this again:', replay] : []),
    ]
  })
  return section(scene, 'Invariants', lines)
}
