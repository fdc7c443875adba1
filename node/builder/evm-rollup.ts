/**
 * A rollup that is an EVM, as the table writer and its prover see it.
 *
 * At rest its root is keccak256 of the accounts' trie root, shortened to the field. In a session
 * the root is a hash chain from there over the actions it took: every state is the committed state
 * and a transcript, and a step replays the transcript and goes on. So states are kept by root, a
 * step is a function of root and action, and the writer may return to any root.
 *
 * What changed nothing leaves the root as it was.
 */
import { keccak256 } from 'viem/utils'
import { toHex, wordsToBytes } from '#protocol/field'
import type { Address, Hex } from '#protocol/schema'
import {
  type Action,
  actionHash,
  dataBytes,
  type Entry,
  MAX_DATA_BYTES,
  type Program,
  type Table,
  ZERO_HASH,
} from '#protocol/table'
import { publicInputsHash, tableWords } from '#protocol/words'
import type { SessionStep } from './evm-answers.ts'
import { GATEWAY, type MachineRules, type Outside } from './evm-gateway.ts'
import { EvmSession } from './evm-machine.ts'
import { checkStatement, programOfKey, signStatement } from './evm-owner.ts'
import { EvmState, evmAddress, type GenesisAccount } from './evm-state.ts'
import { evmChainIdOf } from './evm-transaction.ts'
import type { StateTransition, Step, StepRefusal } from './state-transition.ts'

/** What the gateway holds at first: more than any rollup can be sent. Wei. */
export const GATEWAY_WEI = 1n << 160n

export type Genesis = {
  readonly accounts: readonly GenesisAccount[]
  /** Outside addresses that have a proxy from the start. */
  readonly proxies?: readonly Outside[]
}

export type EvmRollupOptions = {
  readonly program: Program
  /** Of L1. */
  readonly chainId: number
  /** The registry on L1. */
  readonly venue: Address
  /** Creation code of `CrossChainProxy`. */
  readonly proxyCode: Hex
  readonly genesis: Genesis
  /** Private key of the owner that `program.programId` names; without it nothing is proven. */
  readonly ownerKey?: Hex
}

/** The rollup's accounts at one root. Balances in wei. */
export type StateView = {
  readonly balanceOf: (address: Address) => Promise<bigint>
  readonly nonceOf: (address: Address) => Promise<bigint>
  readonly codeOf: (address: Address) => Promise<Hex>
  readonly storageOf: (address: Address, slot: bigint) => Promise<bigint>
}

export type EvmProof = { readonly publicInputsHash: Hex; readonly proof: Hex }

type State = {
  /** The accounts' trie at rest, before the session. */
  readonly trieRoot: Hex
  /** The actions of the session, and the root after each. Empty at rest. */
  readonly inputs: readonly Action[]
  readonly roots: readonly Hex[]
  /** It reverts a frame: the root at which the call that opened it went out. */
  readonly reverting?: Hex
}

/** A session that stands at a root: the next step from there need not replay the transcript. */
type Live = { readonly root: Hex; readonly session: EvmSession }
type Ran = { readonly after: Hex; readonly next: Action; readonly live: Live }

/** A 256-bit hash as a root: below the field order. */
const shorten = (hash: Hex): Hex => `0x00${hash.slice(2, -2)}`
const restRoot = (trieRoot: Hex): Hex => shorten(keccak256(trieRoot))
const chain = (root: Hex, action: Action): Hex =>
  shorten(keccak256(`0x${root.slice(2)}${actionHash(action).slice(2)}`))

/** An EVM rollup. Roots are 0x-hex of 32 bytes. */
export class EvmRollup implements StateTransition {
  readonly program: Program
  /** What its accounts sign transactions for. */
  readonly evmChainId: number
  readonly #options: EvmRollupOptions
  readonly #rules: MachineRules
  /** Never changed; its copies share the nodes of its tries. */
  readonly #store: EvmState
  readonly #states = new Map<Hex, State>()
  #genesisRoot: Hex = ZERO_HASH
  /** The session that ran last, where it stands: mostly the next step goes on from there. */
  #last: Live | null = null

  private constructor(options: EvmRollupOptions) {
    const { program, chainId, venue, proxyCode } = options
    const { rollupId } = program
    this.program = program
    this.evmChainId = evmChainIdOf(chainId, venue, rollupId)
    this.#options = options
    this.#rules = { rollupId, evmChainId: this.evmChainId, proxyCode }
    this.#store = EvmState.empty(this.evmChainId)
  }

  /** @throws when an account of the genesis is none, or the key is not the program's. */
  static async create(options: EvmRollupOptions): Promise<EvmRollup> {
    const { ownerKey, program } = options
    if (ownerKey !== undefined && programOfKey(ownerKey) !== program.programId) {
      throw new RangeError('the owner key is not the one the program names')
    }
    const rollup = new EvmRollup(options)
    rollup.#genesisRoot = await rollup.#begin(options.genesis)
    return rollup
  }

  async #begin({ accounts, proxies = [] }: Genesis): Promise<Hex> {
    const state = this.#store
    // Code no one runs: contracts that ask whether the gateway is a contract see one.
    const gateway = { address: GATEWAY, balanceWei: GATEWAY_WEI, nonce: 1n, code: '0xfe' } as const
    await state.checkpoint()
    for (const account of [gateway, ...accounts]) await state.putGenesis(account)
    await state.commit()
    const session = await EvmSession.open(state, this.#rules)
    await session.makeProxies(proxies)
    return this.#rest(await session.trieRoot())
  }

  #rest(trieRoot: Hex): Hex {
    const root = restRoot(trieRoot)
    this.#states.set(root, { trieRoot, inputs: [], roots: [] })
    return root
  }

  /** The root it began with: what the registry is told when it is registered. */
  get genesisRoot(): Hex {
    return this.#genesisRoot
  }

  /** @inheritdoc Refuses, with words, what no contract's failure answers. */
  async step(root: Hex, action: Action): Promise<Step | StepRefusal> {
    const last = this.#last
    this.#last = null
    const ran = await this.#advance(root, action, last)
    if ('refused' in ran) return ran
    const { after, next, live } = ran
    this.#last = live
    const etherDelta = action.value - next.value
    const { rollupId } = this.program
    const none = { sent: ZERO_HASH, received: ZERO_HASH }
    return { deltas: [{ rollupId, rootBefore: root, rootAfter: after, etherDelta, ...none }], next }
  }

  /** @param live Is moved on when it stands at `root`; otherwise the transcript is replayed. */
  async #advance(root: Hex, action: Action, live: Live | null): Promise<Ran | StepRefusal> {
    const { rollupId } = this.program
    if (action.rollupId !== rollupId) return { refused: `it is rollup ${rollupId}` }
    const isContinue = action.actionType === 'REVERT_CONTINUE'
    // A reverted frame goes on where it reverted, which has a longer transcript than L1's root.
    const from = isContinue ? action.data : root
    const state = this.#states.get(from)
    if (state === undefined) return { refused: `it knows no state with the root ${from}` }
    if (isContinue && state.reverting !== root) {
      return { refused: `the frame that reverts was not entered at the root ${root}` }
    }
    const session = live?.root === from ? live.session : await this.#replay(state)
    const given = await session.give(action)
    if ('refused' in given) return given
    return this.#settle(session, { ...state, from }, action, given)
  }

  async #replay({ trieRoot, inputs }: State): Promise<EvmSession> {
    const session = await EvmSession.open(await this.#store.at(trieRoot), this.#rules)
    for (const input of inputs) {
      const given = await session.give(input)
      if ('refused' in given) throw new Error(`a transcript does not replay: ${given.refused}`)
    }
    return session
  }

  async #settle(
    session: EvmSession,
    state: State & { readonly from: Hex },
    action: Action,
    { next, entering, backTo }: SessionStep,
  ): Promise<Ran | StepRefusal> {
    if (dataBytes(next) > MAX_DATA_BYTES) {
      return { refused: `the answer is longer than ${MAX_DATA_BYTES} bytes` }
    }
    if (backTo !== undefined) {
      const after = backTo === 0 ? restRoot(state.trieRoot) : state.roots[backTo - 1]!
      return { after, next, live: { root: after, session } }
    }
    if (session.isAtRest) {
      const after = this.#rest(await session.trieRoot())
      return { after, next, live: { root: after, session } }
    }
    const after = chain(state.from, action)
    const roots = [...state.roots, after]
    const inputs = [...state.inputs, action]
    const { trieRoot } = state
    if (entering === undefined) this.#states.set(after, { trieRoot, inputs, roots })
    else {
      const reverting = roots[entering.inputs - 1]!
      this.#states.set(after, { trieRoot, inputs, roots, reverting })
    }
    const live = { root: after, session }
    // The root after the REVERT says all that happened in the frame: its continuation names it.
    if (next.actionType === 'REVERT') return { after, next: { ...next, data: after }, live }
    return { after, next, live }
  }

  /**
   * Signs a table, after running every entry of this rollup again from the root it begins at.
   *
   * @returns The proof, or why the owner does not sign.
   */
  async prove(table: Table): Promise<EvmProof | StepRefusal> {
    const { program } = this
    const { chainId, venue, ownerKey } = this.#options
    if (ownerKey === undefined) return { refused: 'this rollup has no owner key here' }
    if (table.chainId !== chainId || table.venue !== venue) {
      return { refused: 'the table is for another registry' }
    }
    let live: Live | null = null
    for (const [at, entry] of table.entries.entries()) {
      const checked: Live | null | string = await this.#check(entry, live)
      if (typeof checked === 'string') return { refused: `entry ${at}: ${checked}` }
      live = checked
    }
    const isOurs = ({ verifier, programId }: Program) =>
      verifier === program.verifier && programId === program.programId
    const ours = table.programs.filter(isOurs)
    if (ours.some(({ rollupId }) => rollupId !== program.rollupId) || ours.length === 0) {
      return { refused: `the owner can speak for rollup ${program.rollupId} alone` }
    }
    const hash = publicInputsHash(tableWords(table, program))
    const statement = { chainId, verifier: program.verifier, publicInputsHash: hash }
    return { publicInputsHash: hash, proof: signStatement(statement, ownerKey) }
  }

  /** What is wrong with an entry; or the session that ran it again. */
  async #check({ deltas, action, next }: Entry, live: Live | null): Promise<Live | null | string> {
    const { rollupId } = this.program
    const [delta, other] = deltas
    if (other?.rollupId === rollupId) return 'an EVM rollup takes no message'
    if (delta?.rollupId !== rollupId) return live
    if (other !== undefined || delta.sent !== ZERO_HASH || delta.received !== ZERO_HASH) {
      return 'an EVM rollup sends no message'
    }
    const ran = await this.#advance(delta.rootBefore, action, live)
    if ('refused' in ran) return ran.refused
    if (ran.after !== delta.rootAfter) return `it ends at the root ${ran.after}`
    if (delta.etherDelta !== action.value - next.value) return 'its ether does not add up'
    if (actionHash(ran.next) === actionHash(next)) return ran.live
    return `what follows is ${describe(ran.next)}`
  }

  /** Whether a proof is the owner's word on a table's public inputs. */
  verifyLocally({ publicInputsHash, proof }: EvmProof): boolean {
    const { program } = this
    const statement = {
      chainId: this.#options.chainId,
      verifier: program.verifier,
      publicInputsHash,
    }
    return checkStatement(statement, program.programId, proof)
  }

  /** Forgets every state but this one, which L1 has now. @throws for a root that is not at rest. */
  adopt(root: Hex): void {
    const state = this.#restAt(root)
    this.#states.clear()
    this.#last = null
    this.#states.set(root, state)
  }

  #restAt(root: Hex): State {
    const state = this.#states.get(root)
    if (state === undefined || state.inputs.length > 0) {
      throw new RangeError(`no state at rest has the root ${root}`)
    }
    return state
  }

  /** The accounts at a root at rest. @throws as `adopt`. */
  async viewAt(root: Hex): Promise<StateView> {
    const state = await this.#store.at(this.#restAt(root).trieRoot)
    return {
      balanceOf: async (address) => (await state.getAccount(evmAddress(address)))?.balance ?? 0n,
      nonceOf: async (address) => (await state.getAccount(evmAddress(address)))?.nonce ?? 0n,
      codeOf: async (address) => toHex(await state.getCode(evmAddress(address))),
      storageOf: async (address, slot) => {
        const word = await state.getStorage(evmAddress(address), wordsToBytes([slot]))
        return word.length === 0 ? 0n : BigInt(toHex(word))
      },
    }
  }

  /** The state at a root at rest as text, for `importState`. @throws as `adopt`. */
  exportState(root: Hex): Promise<string> {
    return this.#store.exportAt(this.#restAt(root).trieRoot)
  }

  /**
   * Takes a state that `exportState` wrote.
   *
   * @returns Its root.
   * @throws when it is not whole, or not what its hashes say.
   */
  async importState(text: string): Promise<Hex> {
    return this.#rest(await this.#store.importNodes(text))
  }
}

const describe = ({ actionType, rollupId, failed, data }: Action): string =>
  `a ${failed ? 'failed ' : ''}${actionType} to rollup ${rollupId} with ${data.slice(0, 74)}`

/** `EvmRollup.create`. */
export const createEvmRollup = (options: EvmRollupOptions): Promise<EvmRollup> =>
  EvmRollup.create(options)
