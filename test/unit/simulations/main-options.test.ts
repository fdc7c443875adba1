import { describe, expect, test } from 'vitest'
import { scenarios } from '#simulations/catalogue'
import { about, list, type Options, readOptions, UsageError } from '#simulations/main-options'
import { SettingError } from '#simulations/scenario'

const read = (...args: string[]) => readOptions(args, scenarios, 2)
const options = (...args: string[]): Options => read('baseline', ...args) as Options

describe('the command line of a simulation', () => {
  test('names a scenario; everything else has a default', () => {
    const { scenario, seeds, cores, values, json } = options()
    expect([scenario.name, seeds, cores, json]).toEqual(['baseline', [1], 2, null])
    expect(values).toMatchObject({ nodes: 1_000, provers: 100, firstHop: true })
  })

  test('takes seeds, cores, sizes and settings', () => {
    const { seeds, cores, values } = options(
      ...['--seed', '7', '--seeds', '3', '--cores', '1', '--nodes', '5_000'],
      ...['--set', 'lossPercent=0.5', '--set', 'firstHop=off'],
    )
    expect([seeds, cores]).toEqual([[7, 8, 9], 1])
    expect(values).toMatchObject({ nodes: 5_000, lossPercent: 0.5, firstHop: false })
  })

  test.each([
    [['--set', 'nodse=5'], SettingError, /no setting nodse; there are nodes/],
    [['--set', 'nodes=many'], SettingError, /nodes is a number from 8 to 100000, not many/],
    [['--set', 'nodes='], SettingError, /not $/],
    [['--set', 'firstHop=maybe'], SettingError, /firstHop is on or off, not maybe/],
    [['--set', 'nodes'], UsageError, /KEY=VALUE, not "nodes"/],
    [['--nodes', '50'], SettingError, /106 builders, provers and observers need as many nodes/],
    [['--seeds', '0'], UsageError, /--seeds must be a whole number from 1/],
    [['--seed', '-1'], UsageError, /seed/],
    [['burst'], UsageError, /One scenario at a time: what is "burst"/],
    [['--sed', '1'], UsageError, /--sed/],
  ] as const)('refuses %j and says what is wrong', (args, error, message) => {
    expect(() => options(...args)).toThrow(error)
    expect(() => options(...args)).toThrow(message)
  })

  test('without a scenario, or with one there is not, names all there are', () => {
    expect(() => read()).toThrow(/Which scenario\? There are .*baseline/)
    expect(() => read('basline')).toThrow(/no scenario "basline". There are .*baseline/)
  })

  test('tells about itself, its scenarios and their settings', () => {
    expect(read('--help')).toBe('help')
    expect(read('--list')).toBe('list')
    const asked = read('baseline', '--help')
    expect(asked).toMatchObject({ about: { name: 'baseline' } })
    const text = about(scenarios.find(({ name }) => name === 'baseline')!)
    expect(text).toMatch(/bidWindowMs +bid window of a request, ms \(400\)/)
    expect(text).toMatch(/Its lines fail with floodBids=false bidWindowMs=200/)
    for (const { name, title } of scenarios)
      expect(list(scenarios)).toMatch(new RegExp(`^  ${name} .*${title.slice(0, 10)}`, 'm'))
  })
})

describe('every scenario', () => {
  test.each(scenarios.map((scenario) => [scenario.name, scenario] as const))(
    '%s has settings that can be, and says what they are',
    (name, { settings, broken, quick, title, says }) => {
      expect(name).toMatch(/^[a-z][a-z-]+$/)
      expect([title.length, says.length].every((length) => length > 10)).toBe(true)
      expect(Object.keys(broken.set).length).toBeGreaterThan(0)
      const set = Object.entries({ ...quick, ...broken.set })
      expect(
        readOptions(
          [name, ...set.flatMap(([key, value]) => ['--set', `${key}=${value}`])],
          scenarios,
          1,
        ),
      ).toMatchObject({ values: { ...quick, ...broken.set } })
      for (const { says: text } of Object.values(settings)) expect(text.length).toBeGreaterThan(8)
    },
  )
})
