import { describe, expect, test } from 'vitest'
import { defaultOptions, readOptions, UsageError } from '#simulations/validate/options'

describe('command line of a validation', () => {
  test('has defaults', () => {
    expect(readOptions([])).toEqual(defaultOptions)
    expect(readOptions(['--help'])).toBeNull()
  })

  test('takes every option', () => {
    const args = ['--nodes', '64', '--seed', '0', '--rounds', '3', '--stretch', '4']
    expect(readOptions([...args, '--json', 'x.json'])).toEqual({
      nodes: 64,
      seed: 0,
      rounds: 3,
      stretch: 4,
      json: 'x.json',
    })
  })

  test.each([
    [['--nodes', '7'], '--nodes must be a whole number from 8 to 64, not "7".'],
    [['--stretch', '1.5'], '--stretch must be a whole number from 1 to 12, not "1.5".'],
    [['--rounds', ''], '--rounds must be a whole number from 1 to 200, not "".'],
    [['--node', '8'], 'See npm run sim -- validate --help.'],
    [['more'], 'See npm run sim -- validate --help.'],
  ])('refuses %j', (args, message) => {
    expect(() => readOptions(args)).toThrow(UsageError)
    expect(() => readOptions(args)).toThrow(message)
  })
})
