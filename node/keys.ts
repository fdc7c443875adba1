/** The kinds of settings: each makes a `Key` for a table of settings. */
import { resolve } from 'node:path'
import type { Address } from '#protocol/schema'
import { expandHome, type Key } from './config.ts'

type Common = {
  readonly doc: string
  readonly example?: string
  readonly secret?: boolean
  readonly envOnly?: boolean
}
/** No `fallback`: somebody must set it. `null`: it may stay unset. */
type With<T, F> = Common & { readonly fallback?: F | T }

type Reader<T> = (value: unknown, folder: string) => T

function make<T, F>(
  options: With<T, F>,
  read: Reader<T>,
  fromText: (text: string) => unknown = (text) => text,
): Key<T | F> {
  const { fallback, ...common } = options
  return { ...common, fallback, fromText, read: (value, place) => read(value, place.folder) }
}

const asText = (value: unknown, what: string): string => {
  if (typeof value !== 'string' || value === '') throw new RangeError(what)
  return value
}

export const text = <F = never>(options: With<string, F>) =>
  make(options, (value) => asText(value, 'text'))

/** Relative to the file it stands in, else to the working folder; `~` is the user's. */
export const path = <F = never>(options: With<string, F>) =>
  make(options, (value, folder) => resolve(folder, expandHome(asText(value, 'a path'))))

export const url = <F = never>(
  options: With<string, F> & { readonly schemes: readonly string[] },
) => {
  const { schemes, ...rest } = options
  const what = `a URL that begins with ${schemes.map((scheme) => `${scheme}://`).join(' or ')}`
  return make(rest as With<string, F>, (value) => {
    const given = asText(value, what)
    const isUrl = URL.canParse(given) && schemes.includes(new URL(given).protocol.slice(0, -1))
    if (!isUrl) throw new RangeError(what)
    return given
  })
}

type Bounds = { readonly min: number; readonly max: number }

export const integer = <F = never>(options: With<number, F> & Bounds) => {
  const { min, max, ...rest } = options
  const what = `a whole number from ${min} to ${max}`
  return make(
    rest as With<number, F>,
    (value) => {
      const isIn =
        Number.isSafeInteger(value) && (value as number) >= min && (value as number) <= max
      if (!isIn) throw new RangeError(what)
      return value as number
    },
    (given) => (/^-?\d[\d_]*$/.test(given) ? Number(given.replaceAll('_', '')) : given),
  )
}

export const decimal = <F = never>(options: With<number, F> & Bounds) => {
  const { min, max, ...rest } = options
  const what = `a number from ${min} to ${max}`
  return make(
    rest as With<number, F>,
    (value) => {
      if (typeof value !== 'number' || !(value >= min && value <= max)) throw new RangeError(what)
      return value
    },
    (given) => (/^-?\d+(\.\d+)?$/.test(given) ? Number(given) : given),
  )
}

/** Wei, as decimal text, because TOML's numbers end at 2⁶³. */
export const wei = <F = never>(options: With<bigint, F>) =>
  make(options, (value) => {
    const digits = typeof value === 'number' && Number.isSafeInteger(value) ? `${value}` : value
    const isWei = typeof digits === 'string' && /^\d[\d_]{0,38}$/.test(digits)
    if (!isWei) throw new RangeError('wei, as digits in quotes')
    return BigInt(digits.replaceAll('_', ''))
  })

export const flag = <F = never>(options: With<boolean, F>) =>
  make(
    options,
    (value) => {
      if (typeof value !== 'boolean') throw new RangeError('true or false')
      return value
    },
    (given) => (given === 'true' ? true : given === 'false' ? false : given),
  )

export const choice = <const C extends string, F = never>(
  options: With<C, F> & { readonly choices: readonly C[] },
) => {
  const { choices, ...rest } = options
  return make(rest as With<C, F>, (value) => {
    const chosen = choices.find((name) => name === value)
    if (chosen === undefined) throw new RangeError(`one of ${choices.join(', ')}`)
    return chosen
  })
}

export const list = <F = never>(options: With<readonly string[], F> & { readonly of: string }) => {
  const { of, ...rest } = options
  const what = `a list of ${of}, as ["…", "…"]`
  return make(
    rest as With<readonly string[], F>,
    (value) => {
      if (!Array.isArray(value)) throw new RangeError(what)
      return value.map((item) => asText(item, what))
    },
    (given) => given.split(',').flatMap((item) => item.trim() || []),
  )
}

/** A contract or account; its checksum is not asked for. */
export const address = <F = never>(options: With<Address, F>) =>
  make(options, (value) => {
    const given = asText(value, 'an address of 0x and 40 hex digits')
    if (!/^0x[0-9a-fA-F]{40}$/.test(given)) {
      throw new RangeError('an address of 0x and 40 hex digits')
    }
    return given.toLowerCase() as Address
  })
