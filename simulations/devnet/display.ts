/** What the devnet says: one line an event, coloured where there is a terminal to colour. */
import { styleText } from 'node:util'
import type { Address } from '#protocol/schema'
import type { Job, Seen } from './journal.ts'

type Style = Parameters<typeof styleText>[0]

export type Display = {
  /** A line of its own, with the time since the start. */
  readonly say: (text: string, style?: Style) => void
  /** A step that takes a while: said again with its seconds until `done` is called. */
  readonly progress: (what: string) => { readonly done: (result?: string) => void }
  /** An event of a job. */
  readonly event: (seen: Seen, job: Job | null) => void
  /** Lines as they are. */
  readonly table: (lines: readonly string[]) => void
}

/** A step says that it still runs this often: nobody should wonder for longer. ms. */
const PROGRESS_MS = 3_000

/** Wei as ether with the digits that matter. */
export function ether(wei: bigint): string {
  const sign = wei < 0n ? '-' : ''
  const digits = (wei < 0n ? -wei : wei).toString().padStart(19, '0')
  const fraction = digits.slice(-18, -9).replace(/0+$/, '')
  const whole = digits.slice(0, -18)
  return `${sign}${whole}${fraction === '' ? '' : `.${fraction}`} ETH`
}

/** Rows as aligned columns; numbers (anything that ends in ETH) to the right. */
export function columns(rows: readonly (readonly string[])[]): readonly string[] {
  const widths = (rows[0] ?? []).map((_, column) =>
    Math.max(...rows.map((row) => row[column]?.length ?? 0)),
  )
  return rows.map((row) =>
    row
      .map((cell, i) => (i === 0 ? cell.padEnd(widths[i]!) : cell.padStart(widths[i]!)))
      .join('  ')
      .trimEnd(),
  )
}

/**
 * @param names Of the accounts that take part.
 * @param write Takes whole lines. Default: standard output.
 */
export function createDisplay(
  names: (account: Address) => string,
  isTerminal: boolean = process.stdout.isTTY === true,
  write: (text: string) => void = (text) => void process.stdout.write(text),
): Display {
  const startedAt = Date.now()
  const paint = (style: Style, text: string): string =>
    isTerminal ? styleText(style, text, { validateStream: false }) : text
  const say = (text: string, style?: Style): void => {
    const seconds = ((Date.now() - startedAt) / 1_000).toFixed(1).padStart(6)
    write(`${paint('gray', seconds)}  ${style ? paint(style, text) : text}\n`)
  }
  return {
    say,
    progress: (what) => {
      const beganAt = Date.now()
      const seconds = (): string => ((Date.now() - beganAt) / 1_000).toFixed(0)
      say(`${what} ...`)
      const timer = setInterval(() => say(`${what} ... ${seconds()} s`, 'gray'), PROGRESS_MS)
      return {
        done: (result) => {
          clearInterval(timer)
          if (result !== undefined) say(result)
        },
      }
    },
    event: (seen, job) => {
      const line = sentence(seen, job, names)
      if (line)
        say(job ? `job ${String(job.number).padEnd(3)} ${line.text}` : line.text, line.style)
    },
    table: (lines) => write(`\n${lines.join('\n')}\n`),
  }
}

type Line = { readonly text: string; readonly style?: Style }

/** What an event means, in a sentence; null for those that say nothing new. */
function sentence(
  { at, event }: Seen,
  job: Job | null,
  name: (account: Address) => string,
): Line | null {
  switch (event.kind) {
    case 'requested': {
      const { reserveWei, dueAt, openedAt } = event.request
      const dueS = ((dueAt - openedAt) / 1_000).toFixed(1)
      return { text: `asked: at most ${ether(reserveWei)}, due in ${dueS} s`, style: 'cyan' }
    }
    case 'bid-seen':
      return { text: `${name(event.prover)} bids, sealed`, style: 'gray' }
    case 'awarded': {
      const tookMs = at - (job?.openedAt ?? at)
      const readyMs = event.readyAt - at
      const others = job?.award?.backups.map(name).join(', ')
      const bids = `${event.bidCount} bid${event.bidCount === 1 ? '' : 's'}`
      const terms = `${name(event.prover)} wins at ${ether(event.priceWei)}, ready in ${readyMs} ms`
      const backups = others ? `; behind it ${others}` : ''
      return { text: `awarded after ${tookMs} ms: ${bids}, ${terms}${backups}`, style: 'bold' }
    }
    case 'turn-begun':
      return null
    case 'turn-missed':
      return { text: `${name(event.prover)} missed its turn`, style: 'yellow' }
    case 'started': {
      const afterMs = event.at - (job?.award?.at ?? event.at)
      return {
        text: `${name(event.prover)} accepted and is started, ${afterMs} ms after the award`,
      }
    }
    case 'silent':
      return {
        text: `${name(event.prover)} is silent past its promise: next backup`,
        style: 'yellow',
      }
    case 'noticed':
      return { text: `${name(event.prover)} says its proof is ready`, style: 'gray' }
    case 'received': {
      const tookMs = event.deliveredAt - (job?.award?.at ?? event.deliveredAt)
      const what = `${name(event.prover)} delivered ${tookMs} ms after the award`
      return { text: `${what}, receipt for ${ether(event.payWei)}`, style: 'green' }
    }
    case 'defaulted':
      return { text: `${name(event.prover)} defaulted: its bond is due`, style: 'red' }
    case 'paid': {
      const what = `${name(event.prover)} is paid ${ether(event.payWei)}`
      return { text: `${what} in ${event.transactionHash}`, style: 'green' }
    }
    case 'slashed': {
      const what = `${name(event.prover)} is slashed ${ether(event.bondWei)}`
      return { text: `${what} in ${event.transactionHash}`, style: 'red' }
    }
    case 'ended':
      return event.outcome === 'settled' ? null : { text: event.outcome, style: 'red' }
    case 'equivocation':
      return { text: `${name(event.account)} signed two messages for one place`, style: 'red' }
    case 'omission':
      return { text: `${name(event.builder)} left out ${event.bids} better bids`, style: 'red' }
    default:
      return event satisfies never
  }
}
