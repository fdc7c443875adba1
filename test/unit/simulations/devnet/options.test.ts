import { describe, expect, test } from 'vitest'
import { readOptions, UsageError } from '#simulations/devnet/options'

describe('devnet options', () => {
  test('nothing asked for is a whole market with its defaults', () => {
    expect(readOptions([])).toEqual({
      jobs: 8,
      provers: 3,
      watch: false,
      report: null,
      seed: 'devnet',
      keep: null,
      calibration: null,
    })
  })

  test('help gives no options', () => {
    expect(readOptions(['--help'])).toBeNull()
  })

  test.each([
    [['--jobs', '0'], /--jobs must be a whole number from 1/],
    [['--jobs', '1e3'], /--jobs must be a whole number/],
    [['--jobs', 'six'], /not "six"/],
    [['--provers', '1'], /--provers must be a whole number from 2 to 8/],
    [['--job', '3'], /'--job'/],
    [['surprise'], /surprise/],
  ])('%j is refused with what is wrong', (args, message) => {
    expect(() => readOptions(args)).toThrow(UsageError)
    expect(() => readOptions(args)).toThrow(message)
  })
})
