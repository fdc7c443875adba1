import { readFile } from 'node:fs/promises'
import { beforeAll, describe, expect, test } from 'vitest'
import {
  DEVELOPMENT_ALPHA,
  DEVELOPMENT_DELTA,
  GENERATOR_1,
  GENERATOR_2,
  isDevelopmentKey,
  isUncontributedKey,
  whyInsecure,
} from '#protocol/development-key'
import { programId, type VerificationKey } from '#protocol/proof'
import { buildShape } from '#prover-agent/circuits/build'
import { loadVerificationKey, shapeFiles } from '#prover-agent/circuits/shapes'

let key: VerificationKey
let meta: unknown
beforeAll(async () => {
  await buildShape('tiny', () => {})
  key = await loadVerificationKey('tiny')
  meta = JSON.parse(await readFile(shapeFiles('tiny').meta, 'utf8'))
}, 120_000)

/** A key whose points are all somebody's, and nobody's known ones. */
const other = (): VerificationKey => ({
  ...key,
  alpha: [5n, 7n],
  beta: [5n, 6n, 7n, 8n],
  delta: [1n, 2n, 3n, 4n],
})
const saying = (about: VerificationKey, insecure: unknown) => ({
  insecure,
  programId: programId(about),
})

describe('a development key', () => {
  test('has the alpha and the delta that the development setup makes', () => {
    expect(key.alpha).toEqual(DEVELOPMENT_ALPHA)
    expect(key.delta).toEqual(DEVELOPMENT_DELTA)
    // gamma is the generator, in every key.
    expect(key.gamma).toEqual(GENERATOR_2)
    expect(isDevelopmentKey(key)).toBe(true)
  })

  test('is known by either point alone', () => {
    expect(isDevelopmentKey({ ...key, alpha: [5n, 7n] })).toBe(true)
    expect(isDevelopmentKey({ ...key, delta: [1n, 2n, 3n, 4n] })).toBe(true)
    expect(isDevelopmentKey(other())).toBe(false)
  })

  test('is insecure whatever is written beside it', () => {
    expect(whyInsecure(key, meta)).toContain('published development trapdoor')
    expect(whyInsecure(key, saying(key, false))).toContain('published development trapdoor')
    const half = { ...other(), alpha: DEVELOPMENT_ALPHA }
    expect(whyInsecure(half, saying(half, false))).toContain('published development trapdoor')
  })
})

describe('any other key', () => {
  test('is insecure when nobody contributed to one of its phases', () => {
    for (const part of [{ alpha: GENERATOR_1 }, { beta: GENERATOR_2 }, { delta: GENERATOR_2 }]) {
      const fresh = { ...other(), ...part }
      expect(isUncontributedKey(fresh)).toBe(true)
      expect(whyInsecure(fresh, saying(fresh, false))).toContain('nobody has contributed')
    }
    expect(isUncontributedKey(other())).toBe(false)
  })

  test('is insecure unless its meta says otherwise of this very key', () => {
    for (const nothing of [undefined, null, 'secure', 0, [], {}]) {
      expect(whyInsecure(other(), nothing)).not.toBeNull()
    }
    for (const word of [true, undefined, 0, 'false', null]) {
      expect(whyInsecure(other(), saying(other(), word))).toContain('insecure')
    }
    expect(whyInsecure(other(), saying(key, false))).toContain('another key')
    expect(whyInsecure(other(), saying(other(), false))).toBeNull()
  })
})
