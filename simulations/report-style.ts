/** How the page looks, and the little program that reads curves off under the pointer. */
import { CURVE_AREA, PLOT_WIDTH } from './report-svg.ts'

/**
 * Blue and orange stay apart for every kind of colour blindness, and never stand alone: B is a
 * whole line and A a broken one, verdicts are words.
 */
export const css = `
:root {
  color-scheme: light dark;
  --page: #f6f6f3; --card: #ffffff; --ink: #1b1f24; --soft: #59616b; --edge: #dcdfe3;
  --grid: #e9ebee; --a: #b35900; --b: #0b63a5; --good: #00694a; --bad: #a8210d;
  --good-back: #e2f2ea; --bad-back: #fbe7e2; --code: #f0f1ee;
}
@media (prefers-color-scheme: dark) {
  :root {
    --page: #13161a; --card: #1b1f25; --ink: #e7eaee; --soft: #a3acb6; --edge: #333a43;
    --grid: #2a3038; --a: #f2a65a; --b: #6db8f7; --good: #5fd0a3; --bad: #ff9a87;
    --good-back: #16322a; --bad-back: #3b201b; --code: #242a31;
  }
}
* { box-sizing: border-box; }
body {
  margin: 0; background: var(--page); color: var(--ink);
  font: 15px/1.5 system-ui, -apple-system, "Segoe UI", Roboto, "Noto Sans", "DejaVu Sans",
    sans-serif;
}
main { max-width: 1240px; margin: 0 auto; padding: 32px 20px 64px; }
header { margin-bottom: 28px; }
.kind { margin: 0; color: var(--soft); font-size: 13px; }
h1 { margin: 2px 0 10px; font-size: 30px; line-height: 1.2; letter-spacing: -0.01em; }
h2 { margin: 40px 0 12px; font-size: 19px; line-height: 1.3; }
h3 { margin: 0; font-size: 15px; line-height: 1.4; }
h1, h2, h3, p, li, dd, summary { overflow-wrap: anywhere; }
p { margin: 0 0 8px; max-width: 75ch; }
.soft, .note, caption { color: var(--soft); }
.verdict {
  display: inline-block; padding: 3px 12px; border-radius: 999px; font-weight: 600;
  background: var(--good-back); color: var(--good);
}
.verdict.failed { background: var(--bad-back); color: var(--bad); }
.tiles { display: flex; flex-wrap: wrap; gap: 12px 32px; margin: 20px 0 0; }
.tiles dt { color: var(--soft); font-size: 13px; }
.tiles dd { margin: 0; font-size: 19px; font-weight: 600; font-variant-numeric: tabular-nums; }
.tiles dd small { font-size: 13px; font-weight: 400; color: var(--soft); }
.sides { display: flex; flex-wrap: wrap; gap: 4px 24px; margin: 14px 0 0; }
.sides svg { width: 34px; height: 10px; margin-right: 6px; overflow: visible; }
.lines { list-style: none; margin: 0; padding: 0; border-top: 1px solid var(--edge); }
.lines li {
  display: grid; grid-template-columns: 68px minmax(0, 1fr); gap: 0 8px; padding: 9px 0;
  border-bottom: 1px solid var(--edge);
}
.lines b { color: var(--good); font-size: 13px; line-height: 22px; }
.lines .failed b { color: var(--bad); }
.lines p { margin: 0; max-width: none; }
.lines .seen { color: var(--soft); font-size: 14px; }
code, pre {
  font: 13px/1.5 ui-monospace, "SF Mono", Menlo, Consolas, "DejaVu Sans Mono", monospace;
}
pre {
  margin: 6px 0 2px; padding: 8px 12px; border-radius: 6px; background: var(--code);
  white-space: pre-wrap; overflow-wrap: anywhere;
}
.columns {
  display: grid; gap: 0 40px;
  grid-template-columns: repeat(auto-fit, minmax(min(100%, 380px), 1fr));
}
.columns > div { min-width: 0; }
.plots {
  display: grid; gap: 20px;
  grid-template-columns: repeat(auto-fill, minmax(min(100%, 350px), 1fr));
}
figure {
  margin: 0; padding: 16px 18px; min-width: 0; border: 1px solid var(--edge); border-radius: 10px;
  background: var(--card);
}
.wide figure { margin-bottom: 20px; }
figcaption { margin-bottom: 8px; }
.note { margin: 2px 0 0; font-size: 13px; line-height: 1.45; }
/* Two lines for each, so that plots of a row stand level. */
@media (min-width: 760px) { .plots .note { min-height: 2.9em; } }
.empty {
  margin: 12px 0; padding: 28px 12px; border-radius: 6px; background: var(--code);
  color: var(--soft); text-align: center; max-width: none;
}
.beside { display: grid; gap: 16px 36px; align-items: start; }
@media (min-width: 960px) { .beside { grid-template-columns: 460px minmax(0, 1fr); } }
.beside > * { min-width: 0; }
figure svg { display: block; width: 100%; max-width: 480px; height: auto; touch-action: pan-y; }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; font-size: 13px; font-variant-numeric: tabular-nums; }
figure table { width: 100%; margin-top: 6px; }
caption { padding: 4px 0; text-align: left; font-size: 12px; }
th, td { padding: 3px 12px 3px 0; text-align: left; vertical-align: top; font-weight: 400; }
th:last-child, td:last-child { padding-right: 0; }
thead th { color: var(--soft); font-size: 12px; border-bottom: 1px solid var(--edge); }
tbody th { white-space: nowrap; }
.number { text-align: right; white-space: nowrap; }
.settings td, .settings th { border-bottom: 1px solid var(--grid); }
.settings .changed > * { font-weight: 600; }
.digest { word-break: break-all; }
details { margin: 4px 0; }
summary { cursor: pointer; padding: 4px 0; }
svg text { font-size: 11.5px; fill: var(--ink); font-variant-numeric: tabular-nums; }
svg .tick, svg .label { fill: var(--soft); }
svg .strong { font-weight: 600; }
svg .grid { stroke: var(--grid); }
svg .axis { stroke: var(--soft); }
svg .zero { stroke: var(--soft); stroke-dasharray: 2 3; }
svg .curve { fill: none; stroke-width: 2; stroke-linejoin: round; }
svg .curve.a, svg .interval.a { stroke: var(--a); }
svg .curve.a { stroke-dasharray: 6 3; }
svg .curve.b, svg .interval.b { stroke: var(--b); }
svg .band { opacity: 0.22; }
svg .band.a, svg .bar.a, svg .pale.a, svg .mark.a, svg .dot.a, svg .bar.foe { fill: var(--a); }
svg .band.b, svg .bar.b, svg .pale.b, svg .mark.b, svg .dot.b { fill: var(--b); }
svg .pale { opacity: 0.32; }
svg .mark { stroke: var(--card); stroke-width: 1.2; }
svg .mark.plain { fill: var(--soft); }
svg .mark.unclear { fill: var(--card); stroke: var(--soft); stroke-width: 1.5; }
svg .interval { stroke-width: 2; }
svg .interval.unclear { stroke: var(--soft); stroke-width: 1.5; }
svg .whisker { stroke: var(--ink); }
svg .key { fill: var(--card); opacity: 0.88; }
svg .cross { stroke: var(--ink); stroke-dasharray: 1 2; pointer-events: none; }
svg .read { paint-order: stroke; stroke: var(--card); stroke-width: 4px; }
@media (max-width: 480px) {
  main { padding: 20px 12px 40px; }
  h1 { font-size: 25px; }
  figure { padding: 14px 12px; }
  th, td { padding-right: 10px; }
}
@media print { body { background: none; } figure, .lines li { break-inside: avoid; } }
`

const { left, right, top, bottom } = CURVE_AREA
const measures = [left, right, top, bottom, PLOT_WIDTH]

/**
 * Shows under the pointer how many percent are at most the value there. The curves are read from
 * the paths as drawn: a point for each percent.
 */
export const script = `
const [left, right, upper, lower, width] = [${measures.join(', ')}]
for (const svg of document.querySelectorAll('svg[data-from]')) {
  const curves = [...svg.querySelectorAll('path.curve')].map((path) => ({
    name: path.classList.contains('a') ? 'A' : 'B',
    xs: path.getAttribute('d').split(/[ML]/).slice(1).map((point) => parseFloat(point)),
  }))
  const { from, to, log, unit } = svg.dataset
  const [low, high] = [Number(from), Number(to)]
  const make = (kind, attributes) => {
    const made = document.createElementNS('http://www.w3.org/2000/svg', kind)
    for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value)
    made.style.display = 'none'
    return svg.appendChild(made)
  }
  const cross = make('line', { class: 'cross', y1: upper, y2: lower })
  const read = make('text', { class: 'read', y: 13, 'text-anchor': 'end', x: right })
  const show = (isShown) => {
    for (const one of [cross, read]) one.style.display = isShown ? '' : 'none'
  }
  svg.addEventListener('pointermove', (event) => {
    const box = svg.getBoundingClientRect()
    const x = ((event.clientX - box.left) / box.width) * width
    const share = (x - left) / (right - left)
    show(share >= 0 && share <= 1)
    const value = log === 'true' ? low * (high / low) ** share : low + share * (high - low)
    const digits = Math.max(0, 2 - Math.floor(Math.log10(Math.abs(value) || 1)))
    const parts = curves.map(({ name, xs }) => {
      const percent = Math.max(0, xs.filter((one) => one <= x).length - 1)
      return (curves.length > 1 ? name + ' ' : '') + percent + ' %'
    })
    cross.setAttribute('x1', x)
    cross.setAttribute('x2', x)
    const shown = (value.toFixed(Math.min(digits, 6)) + ' ' + unit).trim()
    read.textContent = '≤ ' + shown + ': ' + parts.join(', ')
  })
  svg.addEventListener('pointerleave', () => show(false))
}
`
