/**
 * The simulations' page as a browser shows it: in Debian's Chromium, from a file. Made-up results,
 * so that this takes seconds and does not depend on any scenario.
 */
import { existsSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { delimiter, join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { type Browser, chromium, type Page } from 'playwright-core'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { writePage } from '#simulations/report'
import type { RunResult } from '#simulations/result'
import {
  emptyRun,
  failedRun,
  hostileRun,
  hostileText,
  madeUpRun,
  madeUpRuns,
} from '#test/support/sim-results'

/** A busy machine takes its time to start a browser. ms. */
const START_MS = 120_000
const FLAGS = [
  ...['--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-sync'],
  ...['--disable-background-networking', '--disable-component-update'],
]

function findChromium(): string {
  const folders = (process.env.PATH ?? '').split(delimiter)
  const names = ['chromium', 'chromium-browser', 'google-chrome']
  const places = names.flatMap((name) => folders.map((folder) => join(folder, name)))
  const found = process.env.PROOFWIRE_CHROMIUM ?? places.find((path) => existsSync(path))
  if (found !== undefined) return found
  throw new Error(
    'This test needs Chromium: `apt-get install chromium`, or set PROOFWIRE_CHROMIUM to its path.',
  )
}

type Case = {
  readonly runs: readonly RunResult[]
  readonly compare?: readonly RunResult[]
}

const plots = [
  ...['propagation', 'request-to-award', 'price-over-cost', 'utilisation', 'duplicates', 'bytes'],
  ...['regions', 'gains'],
]
const cases: Readonly<Record<string, Case>> = {
  single: { runs: [failedRun()] },
  several: { runs: madeUpRuns(20) },
  compared: { runs: madeUpRuns(5, { factor: 1.2 }), compare: madeUpRuns(5, {}, 11) },
  'compared, one seed each': { runs: [madeUpRun()], compare: [madeUpRun({ seed: 2 })] },
  'compared with nothing': { runs: [madeUpRun()], compare: [emptyRun()] },
}
const hostile: Case = { runs: [hostileRun()], compare: [hostileRun(2)] }

/** What a page did besides showing itself. */
type Opened = {
  readonly page: Page
  readonly requests: string[]
  readonly complaints: string[]
}

let browser: Browser
let folder: string
async function open(
  { runs, compare }: Case,
  width: number,
  colorScheme: 'light' | 'dark' = 'light',
): Promise<Opened> {
  const path = join(folder, 'page.html')
  await writePage(path, runs, compare)
  const page = await browser.newPage({ viewport: { width, height: 800 }, colorScheme })
  const [requests, complaints]: [string[], string[]] = [[], []]
  const url = pathToFileURL(path).href
  page.on('request', (request) => {
    if (request.url() !== url) requests.push(request.url())
  })
  page.on('console', (message) => complaints.push(message.text()))
  page.on('pageerror', (error) => complaints.push(error.message))
  page.on('dialog', (dialog) => {
    complaints.push(`a dialog: ${dialog.message()}`)
    void dialog.dismiss()
  })
  await page.goto(url, { waitUntil: 'load' })
  return { page, requests, complaints }
}

/** What the browser measures of a figure; run in the page, so it is text here. */
type Figure = {
  readonly name: string
  readonly width: number
  readonly height: number
  /** Marks that can be seen inside the drawing. */
  readonly marks: number
  /** Text that the drawing's edge cuts, and pairs of texts of which one covers the other. */
  readonly cutOff: string[]
  readonly covered: string[]
}

const measureFigures = `[...document.querySelectorAll('figure[data-plot]')].map((figure) => {
  const drawing = figure.querySelector('svg')
  const { width, height } = figure.getBoundingClientRect()
  const outer = drawing?.getBoundingClientRect()
  const inside = (box) => box.left >= outer.left - 1 && box.right <= outer.right + 1 &&
    box.top >= outer.top - 1 && box.bottom <= outer.bottom + 1
  const boxes = (selector) => drawing === null ? [] :
    [...drawing.querySelectorAll(selector)].map((one) => [one, one.getBoundingClientRect()])
  const texts = boxes('text').filter(([one]) => one.textContent !== '')
  const solid = (one) => one.tagName !== 'path' || one.getAttribute('d').length > 12
  const marks = boxes('path.curve, path.mark, rect.bar').filter(([one, box]) =>
    solid(one) && box.width + box.height > 2 && inside(box))
  const overlap = (a, b) => Math.min(a.right, b.right) - Math.max(a.left, b.left) > 1 &&
    Math.min(a.bottom, b.bottom) - Math.max(a.top, b.top) > 4
  return {
    name: figure.dataset.plot, width, height, marks: marks.length,
    cutOff: texts.filter(([, box]) => !inside(box)).map(([one]) => one.textContent),
    covered: texts.flatMap(([one, box], i) => texts.slice(i + 1)
      .filter(([, other]) => overlap(box, other))
      .map(([other]) => one.textContent + ' / ' + other.textContent)),
  }
})`

const overflow = 'document.documentElement.scrollWidth - document.documentElement.clientWidth'

/** Apart from the others: where a hook fails, vitest calls the tests behind it skipped. */
test('there is a browser for the page', () => {
  expect(existsSync(findChromium())).toBe(true)
})

describe('the page in a browser', () => {
  beforeAll(async () => {
    const executablePath = findChromium()
    browser = await chromium.launch({ executablePath, args: FLAGS, timeout: START_MS })
    folder = await mkdtemp(join(tmpdir(), 'proofwire-page-'))
  }, START_MS)
  afterAll(async () => {
    await browser?.close()
    if (folder) await rm(folder, { recursive: true, force: true })
  })

  for (const [name, one] of Object.entries(cases))
    for (const width of [380, 1280])
      test(`${name}, ${width} px wide: all plots are drawn, none is cut or covered`, async () => {
        const { page, requests, complaints } = await open(one, width)
        const figures = await page.evaluate<Figure[]>(measureFigures)
        const expected = one.compare ? ['comparison', ...plots] : plots
        expect(figures.map((figure) => figure.name)).toEqual(expected)
        for (const figure of figures) {
          expect(figure.width, figure.name).toBeGreaterThan(300)
          expect(figure.height, figure.name).toBeGreaterThan(150)
          // Measures that only one side has cannot be drawn as changes.
          if (name !== 'compared with nothing' || figure.name !== 'comparison')
            expect(figure.marks, figure.name).toBeGreaterThan(0)
          expect(figure.cutOff, figure.name).toEqual([])
          expect(figure.covered, figure.name).toEqual([])
        }
        expect(await page.evaluate<number>(overflow)).toBe(0)
        expect(requests).toEqual([])
        expect(complaints).toEqual([])
        await page.close()
      })

  test('without data says so where the plots would be', async () => {
    const { page, complaints } = await open({ runs: [emptyRun()] }, 1280)
    const texts = await page.locator('figure[data-plot]').allInnerTexts()
    expect(texts).toHaveLength(plots.length)
    expect(texts.join('\n')).toContain('nothing was paid in this run')
    expect(await page.locator('figure svg').count()).toBe(0)
    expect(complaints).toEqual([])
    await page.close()
  })

  test.each([380, 1280])('shows hostile text as text, %d px wide', async (width) => {
    const { page, requests, complaints } = await open(hostile, width)
    const shown = hostileText.replace('\u001b', '?')
    expect(await page.locator('h1').textContent()).toBe(shown)
    expect((await page.locator('main').textContent())!.split(shown).length).toBeGreaterThan(10)
    expect(await page.locator('main script, img').count()).toBe(0)
    expect(await page.evaluate<number>(overflow)).toBe(0)
    expect(requests).toEqual([])
    expect(complaints).toEqual([])
    await page.close()
  })

  test('reads a curve off under the pointer', async () => {
    const { page, complaints } = await open(cases.compared!, 1280)
    const drawing = page.locator('figure[data-plot=propagation] svg')
    const read = drawing.locator('.read')
    expect(await read.isVisible()).toBe(false)
    await drawing.hover()
    expect(await read.textContent()).toMatch(/^≤ \d+ ms: A \d+ %, B \d+ %$/)
    await page.mouse.move(1, 1)
    expect(await read.isVisible()).toBe(false)
    expect(complaints).toEqual([])
    await page.close()
  })

  test('is dark where the reader wants it dark', async () => {
    const backgrounds: string[] = []
    for (const scheme of ['light', 'dark'] as const) {
      const { page } = await open(cases.single!, 1280, scheme)
      backgrounds.push(
        await page.evaluate<string>('getComputedStyle(document.body).backgroundColor'),
      )
      await page.close()
    }
    expect(backgrounds).toEqual(['rgb(246, 246, 243)', 'rgb(19, 22, 26)'])
  })
})
