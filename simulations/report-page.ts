/** The page of one scenario: a single file that needs nothing else and asks nobody for anything. */
import { createHash } from 'node:crypto'
import { forestFigure } from './report-forest.ts'
import {
  curveNames,
  duration,
  effort,
  estimateText,
  exact,
  figure,
  findingLines,
  rangeText,
  runsText,
  seedsText,
  settingLines,
  unitText,
} from './report-format.ts'
import { gainFigure } from './report-gains.ts'
import { curveFigure } from './report-plots.ts'
import { regionFigure } from './report-regions.ts'
import { estimateMeasures } from './report-statistics.ts'
import { css, script } from './report-style.ts'
import { escapeText, htmlTable, line } from './report-svg.ts'
import { isPassed, type RunResult } from './result.ts'

type Runs = readonly RunResult[]

/** Nothing may be loaded, and only our own program may run, even if some text slipped through. */
function policy(): string {
  const hash = createHash('sha256').update(script).digest('base64')
  return `default-src 'none'; style-src 'unsafe-inline'; img-src data:; script-src 'sha256-${hash}'`
}

const verdictOf = (runs: Runs): { readonly text: string; readonly isGood: boolean } => {
  const failed = runs.filter((run) => !isPassed(run)).length
  if (failed === 0) return { text: 'Passed', isGood: true }
  const of = runs.length > 1 ? `: ${failed} of ${runs.length} runs` : ''
  return { text: `Failed${of}`, isGood: false }
}

function tiles(runs: Runs): string {
  const { events, wallS, simulatedS, eventsPerS } = effort(runs)
  const seeds = seedsText(runs)
  const all: [name: string, value: string, more?: string][] = [
    ['Nodes', rangeText(runs.map(({ nodes }) => nodes))],
    ['Seeds', seeds.split(' ')[0]!, seeds.slice(seeds.indexOf('('))],
    ['Simulated', duration(simulatedS)],
    ['Events', figure(events, 0)],
    ['Wall time', duration(wallS), runs.length > 1 ? '(added up)' : ''],
    ...(Number.isNaN(eventsPerS)
      ? []
      : [['Events per second', figure(eventsPerS, 0)] as [string, string]]),
  ]
  const items = all.map(([name, value, more = '']) => {
    const small = more === '' ? '' : ` <small>${escapeText(more)}</small>`
    return `<div><dt>${name}</dt><dd>${escapeText(value)}${small}</dd></div>`
  })
  return `<dl class="tiles">${items.join('')}</dl>`
}

function sides(runs: Runs, other: Runs): string {
  const sample = (kind: string): string =>
    `<svg viewBox="0 0 34 10" aria-hidden="true">${line(0, 5, 34, 5, `curve ${kind}`)}</svg>`
  const side = (kind: string, name: string, all: Runs): string =>
    `<span>${sample(kind)}<b>${kind.toUpperCase()}</b> ${name}: ${runsText(all)}</span>`
  return `<p class="sides">${side('a', 'compared with', other)}${side('b', 'this run', runs)}</p>`
}

function heading(runs: Runs, other: Runs | undefined): string {
  const { text, isGood } = verdictOf(runs)
  return (
    `<header><p class="kind">Proofwire simulation</p><h1>${escapeText(runs[0]!.scenario)}</h1>` +
    `<span class="verdict${isGood ? '' : ' failed'}">${text}</span>` +
    `${tiles(runs)}${other ? sides(runs, other) : ''}</header>`
  )
}

const verdictItem = (holds: boolean, inside: string): string =>
  `<li${holds ? '' : ' class="failed"'}><b>${holds ? 'ok' : 'FAILED'}</b><div>${inside}</div></li>`

function passLines(runs: Runs): string {
  const lines = findingLines(runs)
  if (lines.length === 0) return ''
  const items = lines.map(({ line, holds, seen, heldAt, count }) => {
    const of = count > 1 ? ` <span class="soft">(${heldAt} of ${count} seeds)</span>` : ''
    const figures = seen.map((one) => {
      const seed = count > 1 ? `seed ${one.seed}: ` : ''
      return `<p class="seen">${seed}${escapeText(one.seen)}</p>`
    })
    return verdictItem(holds, `<p>${escapeText(line)}${of}</p>${figures.join('')}`)
  })
  return `<h2>Pass lines</h2><ul class="lines">${items.join('')}</ul>`
}

/** More of one run say the same again, and a run that goes wrong can go wrong at every event. */
const MAX_VIOLATIONS = 20

function invariants(runs: Runs): string {
  const broken = runs.filter(({ violations }) => violations.length > 0)
  const kept = `I1 to I8 kept after each of ${figure(effort(runs).events, 0)} events`
  const items = broken.map(({ violations, seed, command }) => {
    const shown = violations
      .slice(0, MAX_VIOLATIONS)
      .map(
        ({ invariant, atMs, event, what }) =>
          `<p><strong>${escapeText(invariant)}</strong> at ${exact(atMs)} ms, event ` +
          `${figure(event, 0)}, seed ${seed}</p><p class="seen">${escapeText(what)}</p>`,
      )
    const rest = violations.length - shown.length
    const more = rest > 0 ? `<p class="seen">and ${figure(rest, 0)} more of this run</p>` : ''
    const replay = `<p class="seen">Run exactly this again:</p><pre>${escapeText(command)}</pre>`
    return verdictItem(false, `${shown.join('')}${more}${replay}`)
  })
  const all = items.length === 0 ? verdictItem(true, `<p>${kept}</p>`) : items.join('')
  return `<h2>Invariants</h2><ul class="lines">${all}</ul>`
}

function settings(runs: Runs, other: Runs | undefined, defaults?: RunResult['settings']): string {
  const rows = settingLines(runs, other, defaults).map(({ name, value, other, isChanged }) => {
    const cells = [...(other === null ? [] : [other]), value].map(
      (text) => `<td>${escapeText(text)}</td>`,
    )
    const kind = isChanged ? ' class="changed"' : ''
    return `<tr${kind}><th scope="row">${escapeText(name)}</th>${cells.join('')}</tr>`
  })
  const note = other ? 'Bold: A and B differ.' : defaults ? 'Bold: not the default.' : ''
  const heads = ['setting', ...(other ? ['A', 'B'] : ['value'])]
  const head = heads.map((text) => `<th scope="col">${text}</th>`).join('')
  const caption = note === '' ? '' : `<caption>${note}</caption>`
  return (
    `<h2>Settings</h2><div class="scroll"><table class="settings">${caption}` +
    `<thead><tr>${head}</tr></thead><tbody>${rows.join('')}</tbody></table></div>`
  )
}

/** So many runs are listed at once; more are folded away. */
const FEW_RUNS = 5

function digests(runs: Runs): string {
  const items = runs.map(
    ({ seed, digest, command, events, wallS }) =>
      `<p>seed ${seed} ` +
      `<span class="soft">${figure(events, 0)} events in ${duration(wallS)}</span>` +
      `<br><code class="digest">${escapeText(digest)}</code>` +
      `<br><code class="soft">${escapeText(command)}</code></p>`,
  )
  const note = 'Equal digests: the same events, byte for byte, in the same order.'
  return (
    `<h2>Digests</h2><p class="soft">${note}</p><details${runs.length > FEW_RUNS ? '' : ' open'}>` +
    `<summary>${runs.length === 1 ? '1 run' : `${runs.length} runs`}</summary>` +
    `${items.join('')}</details>`
  )
}

function measures(runs: Runs): string {
  const found = estimateMeasures(runs)
  if (found.length === 0) return ''
  const isMean = runs.length > 1
  const caption = isMean ? `Mean of ${runs.length} seeds ± 95 % interval` : 'Of the one seed'
  const rows = found.map((one) => [one.name, estimateText(one), unitText(one.unit)])
  const heads = ['measure', isMean ? 'mean' : 'value', 'unit']
  return `<h2>Measures</h2>${htmlTable(caption, heads, rows, [0, 2])}`
}

function plots(runs: Runs, other: Runs | undefined): string {
  const comparison = other
    ? `<h2>Comparison</h2><div class="wide">${forestFigure(runs, other)}</div>`
    : ''
  const curves = curveNames.map((name) => curveFigure(name, runs, other))
  // Student's t of one degree of freedom is 12.7, of four 2.8.
  const few = runs.length < 4 ? ', which is wide for so few seeds' : ''
  const band =
    runs.length > 1
      ? `<p class="soft">Mean over seeds of every percentile; the band is its 95 % interval${few}.</p>`
      : ''
  return (
    `${comparison}<h2>Distributions</h2>${band}<div class="plots">${curves.join('')}</div>` +
    `<h2>Regions and gains</h2><div class="wide">${regionFigure(runs, other)}` +
    `${gainFigure(runs, other)}</div>`
  )
}

/**
 * The whole page.
 * @param other Runs of the same scenario to compare with: they are A, `runs` are B.
 * @param defaults The scenario's settings when nothing is asked for, to mark those that differ.
 */
export function page(runs: Runs, other?: Runs, defaults?: RunResult['settings']): string {
  const title = `${runs[0]!.scenario}: ${verdictOf(runs).text.toLowerCase()}`
  const body = [
    heading(runs, other),
    passLines(runs),
    invariants(runs),
    `<div class="columns"><div>${settings(runs, other, defaults)}</div>`,
    `<div>${other ? '' : measures(runs)}${digests(runs)}</div></div>`,
    plots(runs, other),
  ]
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="${policy()}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>${escapeText(title)} – Proofwire simulation</title>
<link rel="icon" href="data:,">
<style>${css}</style>
</head>
<body>
<main>
${body.join('\n')}
</main>
<script>${script}</script>
</body>
</html>
`
}
