import { describe, expect, test } from 'vitest'
import { createLog } from '#node/log'

const collect = (level: 'debug' | 'info' | 'warn', format: 'human' | 'json') => {
  const lines: string[] = []
  const log = createLog({ level, format, write: (line) => lines.push(line), now: () => 1_000 })
  return { log, lines }
}

describe('log', () => {
  test('a line below the level is not printed', () => {
    const { log, lines } = collect('warn', 'json')
    log.debug('a')
    log.info('b')
    log.warn('c')
    log.error('d')
    expect(lines.map((line) => JSON.parse(line).message)).toEqual(['c', 'd'])
  })

  test('a JSON line carries time, level, message and the fields of its parents', () => {
    const { log, lines } = collect('debug', 'json')
    log.child({ part: 'gossip', peer: 'a' }).child({ peer: 'b' }).info('hello', { bytes: 3 })
    expect(JSON.parse(lines[0]!)).toEqual({
      at: '1970-01-01T00:00:01.000Z',
      level: 'info',
      message: 'hello',
      part: 'gossip',
      peer: 'b',
      bytes: 3,
    })
  })

  test('bigint, bytes, errors with cause and non-finite numbers are printed', () => {
    const { log, lines } = collect('debug', 'json')
    const error = Object.assign(new Error('no', { cause: new Error('why') }), { code: 'E1' })
    log.error('x', { payWei: 2n ** 70n, bytes: Uint8Array.of(1, 255), error, rate: Number.NaN })
    const { payWei, bytes, error: printed, rate } = JSON.parse(lines[0]!)
    expect(payWei).toBe('1180591620717411303424')
    expect(bytes).toBe('0x01ff')
    expect(printed).toMatchObject({ message: 'no', code: 'E1', cause: { message: 'why' } })
    expect(rate).toBe('NaN')
  })

  test('cycles, throwing getters, functions and very long text never throw', () => {
    for (const format of ['human', 'json'] as const) {
      const { log, lines } = collect('debug', format)
      const cycle: Record<string, unknown> = { run: () => undefined, text: 'x'.repeat(1e6) }
      cycle.self = cycle
      Object.defineProperty(cycle, 'bad', {
        enumerable: true,
        get: () => {
          throw new Error('no')
        },
      })
      log.info('m', { cycle })
      expect(lines).toHaveLength(1)
      expect(lines[0]).toContain('[circular]')
      expect(lines[0]).toContain('[unreadable]')
      expect(lines[0]!.length).toBeLessThan(5_000)
    }
  })

  test('the same value twice is not a cycle', () => {
    const { log, lines } = collect('debug', 'json')
    const peer = { key: 'k' }
    log.info('m', { first: peer, second: peer })
    expect(JSON.parse(lines[0]!)).toMatchObject({ first: { key: 'k' }, second: { key: 'k' } })
  })

  test('a stranger’s text cannot begin a line of its own or move a terminal’s cursor', () => {
    const { log, lines } = collect('debug', 'human')
    log.info('a\n00:00:00.000 error forged', { agent: 'x\u001b[2J\r\nfake=1', side: 'a\u202eb' })
    expect(lines).toHaveLength(1)
    expect(lines[0]).toMatch(/^[ -~]+\n$/)
  })

  test('a writer that throws does not stop the caller', () => {
    const log = createLog({
      level: 'info',
      format: 'json',
      write: () => {
        throw new Error('full')
      },
    })
    expect(() => log.info('m')).not.toThrow()
  })
})
