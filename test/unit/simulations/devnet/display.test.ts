import { describe, expect, test } from 'vitest'
import { columns, createDisplay, ether } from '#simulations/devnet/display'

const ESCAPE = '\u001b'

function shown(isTerminal: boolean): string {
  const written: string[] = []
  const display = createDisplay(String, isTerminal, (text) => written.push(text))
  display.say('hello', 'red')
  return written.join('')
}

describe('devnet display', () => {
  test('wei is shown as ether with the digits that matter', () => {
    expect(ether(0n)).toBe('0 ETH')
    expect(ether(10n ** 18n)).toBe('1 ETH')
    expect(ether(1_230_000_000_000_000n)).toBe('0.00123 ETH')
    expect(ether(-5n * 10n ** 17n)).toBe('-0.5 ETH')
  })

  test('colour only where there is a terminal', () => {
    expect(shown(true)).toContain(ESCAPE)
    expect(shown(false)).not.toContain(ESCAPE)
    expect(shown(false)).toMatch(/^ +\d+\.\d {2}hello\n$/)
  })

  test('columns line up: names to the left, amounts to the right', () => {
    const rows = [
      ['who', 'bond'],
      ['builder', '1 ETH'],
      ['p', '0.25 ETH'],
    ]
    expect(columns(rows)).toEqual(['who          bond', 'builder     1 ETH', 'p        0.25 ETH'])
  })
})
