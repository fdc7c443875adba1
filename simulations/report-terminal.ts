/** Text for a terminal: widths, wrapping, aligned columns, colours. */
import type { RunResult } from './result.ts'
/** Colours a text, or leaves it as it is. */
export type Paint = (style: Style, text: string) => string
/** Colours and weights that every terminal has. */
export type Style = keyof typeof CODES

const ESCAPE = '\u001b'
const CODES = { bold: '1', dim: '2', red: '31', green: '32', yellow: '33', cyan: '36' } as const

/** What colours, or does not. */
export const painter =
  (isColoured: boolean): Paint =>
  (style, text) =>
    isColoured && text !== '' ? `${ESCAPE}[${CODES[style]}m${text}${ESCAPE}[0m` : text

/** Whether a stream wants colours: a terminal, unless NO_COLOR (no-color.org) is set. */
export const wantsColours = (
  stream: { readonly isTTY?: boolean } = process.stdout,
  environment: NodeJS.ProcessEnv = process.env,
): boolean => stream.isTTY === true && !environment.NO_COLOR && environment.TERM !== 'dumb'

/** Text from data on one line: what could move the cursor or change colours is shown as `?`. */
export const plain = (text: string): string =>
  text.replace(/\s+/gu, ' ').replace(/\p{C}/gu, '?').trim()

/** Units are short; whatever else a file holds in their place must not push the table apart. */
export const shortened = (text: string, width: number): string =>
  text.length <= width ? text : `${text.slice(0, Math.max(0, width - 1))}…`

/** A text in lines of at most a width; words longer than that are broken. */
export function wrap(text: string, width: number): string[] {
  // As it is, with the spaces it begins with.
  if (text.length <= width) return [text]
  const lines: string[] = []
  let line = ''
  for (const word of text.split(' ')) {
    if (line !== '' && line.length + 1 + word.length > width) {
      lines.push(line)
      line = ''
    }
    line = line === '' ? word : `${line} ${word}`
    while (line.length > width) {
      lines.push(line.slice(0, width))
      line = line.slice(width)
    }
  }
  return line === '' ? lines : [...lines, line]
}

/** A column: its head, and on which side its cells stand. */
export type Column = { readonly head: string; readonly side: 'left' | 'right' }

/** A column of text. */
export const left = (head: string): Column => ({ head, side: 'left' })
/** A column of figures. */
export const right = (head: string): Column => ({ head, side: 'right' })

const GAP = 2
const INDENT = 2
/** A first column that gives way keeps this much. */
const MIN_NAME = 12

/** Cells of a row, or one text over all columns. */
export type Row = readonly string[] | string

/**
 * Rows under their heads, indented by two. When all would be wider than the terminal, the first
 * column gives way, as it holds names: they go on in the next line.
 */
export function table(
  columns: readonly Column[],
  rows: readonly Row[],
  width: number,
  paint: Paint,
): string[] {
  const heads = columns.map(({ head }) => head)
  const cellRows = [heads, ...rows.filter((row) => typeof row !== 'string')]
  const widths = columns.map((_, i) => Math.max(...cellRows.map((row) => (row[i] ?? '').length)))
  const others = widths.slice(1).reduce((sum, one) => sum + one + GAP, INDENT)
  widths[0] = Math.min(widths[0]!, Math.max(MIN_NAME, width - others))
  const line = (cells: readonly string[]): string => {
    const padded = columns.map(({ side }, i) => {
      const cell = cells[i] ?? ''
      return side === 'left' ? cell.padEnd(widths[i]!) : cell.padStart(widths[i]!)
    })
    return `${' '.repeat(INDENT)}${padded.join(' '.repeat(GAP))}`.trimEnd()
  }
  const lines = (row: Row): string[] => {
    if (typeof row === 'string') return wrap(row, width - INDENT).map((text) => line([text]))
    const [first, ...more] = wrap(row[0] ?? '', widths[0]!)
    return [line([first!, ...row.slice(1)]), ...more.map((text) => line([text]))]
  }
  return [paint('dim', line(heads)), ...rows.flatMap(lines)]
}

/** What a part of the report is made from. */
export type Scene = {
  readonly runs: readonly RunResult[]
  readonly other: readonly RunResult[] | undefined
  readonly defaults: RunResult['settings'] | undefined
  readonly width: number
  readonly paint: Paint
}

/** Lines so many columns further right. */
export const indented = (texts: readonly string[], by: number): string[] =>
  texts.map((text) => `${' '.repeat(by)}${text}`)

/** Lines with a blank one and a title before them; none of nothing. */
export const section = (scene: Scene, title: string, lines: readonly string[]): string[] =>
  lines.length === 0 ? [] : ['', scene.paint('bold', title), ...lines]
