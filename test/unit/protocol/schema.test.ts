import { readFileSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import { type Kind, schema } from '#protocol/schema'

const kinds = Object.keys(schema) as Kind[]

describe('the schema', () => {
  test('has only members of fixed size, so length alone finds a malformed message', () => {
    for (const kind of kinds)
      for (const { name, type } of schema[kind])
        expect([kind, name, type]).toEqual([
          kind,
          name,
          expect.stringMatching(/^(address|bytes32|uint(8|16|32|48|64|96|128))(\[\d\])?$/),
        ])
  })

  test('names no member twice, and none that Solidity reserves', () => {
    for (const kind of kinds) {
      const names = schema[kind].map(({ name }) => name)
      expect(new Set(names).size).toBe(names.length)
      // `sealed` is reserved since Solidity 0.5.0; `start`, `from` and the like are not.
      for (const name of names) expect(['sealed', 'final', 'after', 'match']).not.toContain(name)
    }
  })

  test('is the Solidity struct of the same name, member for member', () => {
    const source = readFileSync('contracts/src/interfaces/IMessages.sol', 'utf8')
    const structs = [...source.matchAll(/struct (\w+) \{([^}]*)\}/g)]
    // Notices and peer claims never reach the chain.
    expect(structs.map(([, name]) => name).sort()).toEqual(
      kinds.filter((kind) => kind !== 'Notice' && kind !== 'PeerClaim').sort(),
    )
    for (const [, name, body] of structs) {
      const members = body!.split(';').map((line) => line.trim().split(/\s+/).slice(-2))
      expect(members.filter(([type]) => type)).toEqual(
        schema[name as Kind].map((member) => [member.type, member.name]),
      )
    }
  })
})
