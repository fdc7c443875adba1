/**
 * An EVM rollup's state as text: the nodes of its tries that can be reached from one root, and the
 * code of its contracts. Each is known by its hash, so a reader need trust nobody but the root.
 */
import { fromRlp, keccak256 } from 'viem/utils'
import { fromHex, toHex } from '#protocol/field'
import type { Hex } from '#protocol/schema'

/** Where the state's tries keep nodes, under their hash, and code, under 'c' and its hash. */
export interface NodeStore {
  get(key: Uint8Array): Promise<Uint8Array | undefined>
  put(key: Uint8Array, value: Uint8Array): Promise<void>
}

/** The root of a trie with nothing in it, and the hash of no code. */
const EMPTY_TRIE = keccak256('0x80')
const EMPTY_CODE = keccak256('0x')
/** What the state manager puts before a code's hash: the letter c. */
const CODE_PREFIX = '63'
const BRANCHES = 16
/** A leaf's path begins with nibble 2 or 3, an extension's with 0 or 1. */
const isLeafPath = (path: Hex): boolean => Number.parseInt(path[2]!, 16) >= 2

type Node = Hex | readonly Node[]

/**
 * All that is reachable from the root of an accounts' trie, by key.
 *
 * @throws when something is missing.
 */
export async function reachableNodes(store: NodeStore, root: Hex): Promise<Map<Hex, Hex>> {
  const found = new Map<Hex, Hex>()
  const load = async (key: Hex): Promise<Hex> => {
    const bytes = await store.get(fromHex(key))
    if (bytes === undefined) throw new RangeError(`the state lacks ${key}`)
    const value = toHex(bytes)
    found.set(key, value)
    return value
  }
  const walk = async (hash: Hex, onValue: (value: Hex) => Promise<void>): Promise<void> => {
    if (hash === EMPTY_TRIE || found.has(hash)) return
    await visit(fromRlp(await load(hash)) as Node, onValue)
  }
  // A child is a hash, or the node itself where that is shorter.
  const follow = async (child: Node, onValue: (value: Hex) => Promise<void>): Promise<void> => {
    if (typeof child !== 'string') await visit(child, onValue)
    else if (child !== '0x') await walk(child, onValue)
  }
  const visit = async (node: Node, onValue: (value: Hex) => Promise<void>): Promise<void> => {
    if (node.length > 2) {
      for (const child of node.slice(0, BRANCHES)) await follow(child as Node, onValue)
      return
    }
    const [path, rest] = node as [Hex, Node]
    if (isLeafPath(path)) await onValue(rest as Hex)
    else await follow(rest, onValue)
  }
  await walk(root, async (account) => {
    const [, , storageRoot, codeHash] = fromRlp(account) as Hex[]
    await walk(storageRoot!, async () => {})
    if (codeHash !== EMPTY_CODE) await load(`0x${CODE_PREFIX}${codeHash!.slice(2)}`)
  })
  return found
}

type Exported = { readonly trieRoot: Hex; readonly nodes: readonly (readonly [Hex, Hex])[] }

/** Reads an exported state. @throws when it is none, or a node is not what its key says. */
export function readNodes(text: string): Exported {
  const { version, trieRoot, nodes } = JSON.parse(text)
  if (version !== 1) throw new RangeError('this is no exported state of an EVM rollup')
  const entries = Object.entries(nodes) as [Hex, Hex][]
  const wrong = entries.find(([key, value]) => !key.endsWith(keccak256(value).slice(2)))
  if (wrong !== undefined) throw new RangeError(`what is under ${wrong[0]} has another hash`)
  return { trieRoot, nodes: entries }
}
