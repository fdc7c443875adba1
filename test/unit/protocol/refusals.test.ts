import { expect, test } from 'vitest'
import { ignore, reject } from '#protocol/refusals'

test('a refusal says what it costs its sender, and why', () => {
  expect(ignore('BID_LATE')).toEqual({ action: 'ignore', code: 'BID_LATE' })
  expect(reject('MALFORMED')).toEqual({ action: 'reject', code: 'MALFORMED' })
})
