import { describe, expect, test } from 'vitest'
import { defaultParams } from '#protocol/params'
import { paramsTag, streamProtocols, topics, WIRE_VERSION } from '#protocol/topics'

const domain = { chainId: 31_337, settlement: `0x${'Ab'.repeat(20)}` } as const

describe('topics', () => {
  test('name the version, the chain, the contract in lower case and the parameters (rule T1)', () => {
    const tag = paramsTag(defaultParams)
    expect(tag).toMatch(/^[0-9a-f]{8}$/)
    const prefix = `/proofwire/1/31337/0x${'ab'.repeat(20)}/${tag}`
    expect(topics(domain, defaultParams)).toEqual({
      ProofRequest: `${prefix}/requests`,
      Bid: `${prefix}/bids`,
      Award: `${prefix}/awards`,
      Start: `${prefix}/starts`,
      Notice: `${prefix}/notices`,
      Receipt: `${prefix}/receipts`,
    })
  })

  test('differ when any parameter does, so that nodes with other rules never hear each other', () => {
    const tags = new Set([paramsTag(defaultParams)])
    for (const [name, value] of Object.entries(defaultParams)) {
      const changed = typeof value === 'bigint' ? value + 1n : value + 1
      tags.add(paramsTag({ ...defaultParams, [name]: changed }))
    }
    expect(tags.size).toBe(Object.keys(defaultParams).length + 1)
  })

  test('do not depend on the order parameters are written in', () => {
    const reversed = Object.fromEntries(Object.entries(defaultParams).reverse())
    expect(paramsTag(reversed as typeof defaultParams)).toBe(paramsTag(defaultParams))
  })

  test('have stream protocols of the same version beside them (rule T2)', () => {
    const { inputs, accept, deliver } = streamProtocols
    expect(inputs).toBe(`/proofwire/inputs/${WIRE_VERSION}`)
    expect(accept).toBe(`/proofwire/accept/${WIRE_VERSION}`)
    expect(deliver).toBe(`/proofwire/deliver/${WIRE_VERSION}`)
    const all = Object.values(streamProtocols)
    expect(new Set(all).size).toBe(all.length)
    for (const protocol of all) expect(protocol).toMatch(/^\/proofwire\/[a-z]+\/1$/)
  })
})
