/**
 * A registry on an anvil of its own, rollups registered there, and what turns calls into a posted
 * table: written, proven, sent. Starts in about a second once the contracts are built.
 */
import type { Abi } from 'viem'
import { encodeDeployData, encodeFunctionData } from 'viem/utils'
import { rollupsAbi } from '#contracts/abi'
import { artifact, buildContracts } from '#contracts/build'
import { type Call, postCall, proofDemands } from '#node/builder/batch'
import { proxyAddressOn } from '#node/builder/evm-gateway'
import { ownerProgramId, signStatement } from '#node/builder/evm-owner'
import { createEvmRollup, type EvmRollup, type Genesis } from '#node/builder/evm-rollup'
import { createL1, type L1, type Sent } from '#node/builder/l1'
import { createLedgerRollups, type LedgerRollups } from '#node/builder/ledger-rollup'
import { assembleProof, planProof } from '#node/builder/market-proof'
import type { StateTransition, Step } from '#node/builder/state-transition'
import { type WritingContext, type WrittenTable, writeTable } from '#node/builder/writer'
import type { EddsaSignature } from '#protocol/eddsa'
import { fromHex, toHex, wordsToBytes } from '#protocol/field'
import { type Account, createLedger, rootOf } from '#protocol/ledger-tree'
import { type Address, type Hex, ZERO_ADDRESS } from '#protocol/schema'
import type { CircuitKey } from '#protocol/segments'
import { accountOf } from '#protocol/signature'
import type { Action, Program, Table } from '#protocol/table'
import type { ProgramName } from '#protocol/words'
import { type Anvil, devKeys, startAnvil } from './anvil.ts'
import { type PlayerCode, playerCode } from './player.ts'
import type { Party, Route } from './script.ts'

export type Receipt = {
  readonly status: Hex
  readonly blockNumber: Hex
  readonly contractAddress: Address | null
  readonly gasUsed: Hex
}

/** Proves a table for one program, or says why not. */
export type Proving = (table: Table, written: WrittenTable) => Promise<Hex>

type Rollup = StateTransition & { readonly adopt: (root: Hex) => void }

const lower = (address: Address): Address => address.toLowerCase() as Address
const programKey = ({ verifier, programId }: ProgramName) => `${verifier}${programId}`
/** A private key nobody should use. */
const testKey = (number: number): Hex => toHex(wordsToBytes([BigInt(0x5eed_0000 + number)]))

const [deployerKey, userKey, strangerKey] = devKeys as [Hex, Hex, Hex]
const partyOf = (key: Hex) => ({ key, address: accountOf(fromHex(key)) })

/** The registry, its rollups, and who uses them. */
/** A program whose circuit proves for real. */
type Proven = ProgramName & {
  readonly key: CircuitKey
  /** @param keyId The circuit's. */
  readonly prove: (inputs: Uint8Array, keyId: Hex) => Promise<Hex>
}

export class TablesChain {
  readonly anvil: Anvil
  readonly l1: L1
  readonly batchAccount: Address
  readonly player: PlayerCode
  /** Creation code of `CrossChainProxy`. */
  readonly proxyCode: Hex
  /** Sends transactions; somebody else. Both plain accounts of L1. */
  readonly user = partyOf(userKey)
  readonly stranger = partyOf(strangerKey)
  /** By id. */
  readonly rollups = new Map<bigint, Rollup>()
  readonly #provings = new Map<string, Proving>()
  /** Proxies on L1, by what they stand for. */
  readonly #proxies = new Map<string, Address>()
  #keys = 0

  static async start(args: readonly string[] = []): Promise<TablesChain> {
    buildContracts()
    const anvil = await startAnvil({ args })
    const registry = await deployTo(anvil, creationOf('Rollups'))
    const batchAccount = await deployTo(anvil, creationOf('BatchAccount'))
    const l1 = await createL1({ rpcUrl: anvil.rpcUrl, registry, batchAccount })
    return new TablesChain(anvil, l1, batchAccount)
  }

  private constructor(anvil: Anvil, l1: L1, batchAccount: Address) {
    this.anvil = anvil
    this.l1 = l1
    this.batchAccount = batchAccount
    this.player = playerCode()
    this.proxyCode = artifact('CrossChainProxy').bytecode
  }

  /** Deploys a contract of `contracts/src`, or any code. */
  deploy(name: string, args: readonly unknown[] = []): Promise<Address> {
    return deployTo(this.anvil, creationOf(name, args))
  }

  /** A player on L1. */
  async deployPlayer(): Promise<Party> {
    return { rollupId: 0n, address: await deployTo(this.anvil, this.player.creation) }
  }

  /** Registers a rollup; resolves with its program, for the id it gets. */
  async register(
    name: ProgramName,
    root: (program: Program) => Promise<Hex> | Hex,
    { owner = ZERO_ADDRESS, nativeToken = false } = {},
  ): Promise<Program> {
    const count = encodeFunctionData({ abi: rollupsAbi, functionName: 'rollupCount' })
    const call = { to: this.l1.registry, data: count }
    const rollupId = BigInt(await this.anvil.request<Hex>('eth_call', call, 'latest')) + 1n
    const program = { ...name, rollupId }
    const args = [owner, name.verifier, name.programId, await root(program), nativeToken] as const
    await this.transact(encodeFunctionData({ abi: rollupsAbi, functionName: 'register', args }))
    return program
  }

  /** An owner whose word is the proof of one rollup, or of several ledgers. */
  async owner(): Promise<ProgramName & { readonly key: Hex }> {
    const key = testKey(++this.#keys)
    const address = accountOf(fromHex(key))
    const verifier = await this.deploy('SignatureVerifier', [address])
    return { verifier, programId: ownerProgramId(address), key }
  }

  /** Registers an EVM rollup. */
  async addEvmRollup(
    genesis: Genesis,
    options: { readonly nativeToken?: boolean } = {},
  ): Promise<EvmRollup> {
    const { key, ...name } = await this.owner()
    const context = { chainId: this.l1.chainId, venue: this.l1.registry }
    let rollup: EvmRollup | null = null
    const program = await this.register(
      name,
      async (named) => {
        const { proxyCode } = this
        const owned = { program: named, proxyCode, genesis, ownerKey: key }
        rollup = await createEvmRollup({ ...context, ...owned })
        return rollup.genesisRoot
      },
      options,
    )
    const made: EvmRollup = rollup!
    this.rollups.set(program.rollupId, made)
    this.#provings.set(programKey(name), async (table) => {
      const proof = await made.prove(table)
      if ('refused' in proof) throw new Error(proof.refused)
      return proof.proof
    })
    return made
  }

  /**
   * Registers ledger rollups of one program.
   *
   * @param accounts Of each, by place.
   * @param proven Who proves them; default an owner, who signs whatever was written.
   */
  async addLedgers(
    accounts: readonly ReadonlyMap<number, Account>[],
    {
      depth = 4,
      nativeToken = false,
      signatureOf = () => null,
      proven,
    }: {
      readonly depth?: number
      readonly nativeToken?: boolean
      readonly signatureOf?: (action: Action) => EddsaSignature | null
      readonly proven?: Proven
    } = {},
  ): Promise<LedgerRollups> {
    const owner = proven === undefined ? await this.owner() : null
    const { verifier, programId } = proven ?? owner!
    const name = { verifier, programId }
    const ledgers = []
    const programs = []
    for (const places of accounts) {
      const root = ({ rollupId }: Program) => rootOf(createLedger(rollupId, depth, places))
      const program = await this.register(name, root, { nativeToken })
      programs.push(program)
      ledgers.push(createLedger(program.rollupId, depth, places))
    }
    const context = { chainId: this.l1.chainId, venue: this.l1.registry }
    const made = createLedgerRollups({ context, programs, depth, ledgers, signatureOf })
    for (const [id, rollup] of made.rollups) {
      this.rollups.set(id, { ...rollup, adopt: (root) => made.adopt(id, root) })
    }
    this.#provings.set(programKey(name), async (table, { steps }) =>
      proven === undefined
        ? signStatement({ ...context, ...this.#demand(table, name) }, owner!.key)
        : this.#proveSegments(made, proven, table, steps),
    )
    return made
  }

  /** As the market would, one segment after the other. */
  async #proveSegments(
    made: LedgerRollups,
    { verifier, programId, key, prove }: Proven,
    table: Table,
    steps: readonly Step[],
  ): Promise<Hex> {
    const program = { verifier, programId }
    const plan = planProof(table, program, [key], key.room)
    const proofs: Hex[] = []
    for (const index of plan.segments.keys())
      proofs.push(
        await prove(made.proofInputs(table, steps, program, plan.segments, index), key.keyId),
      )
    return assembleProof(plan, proofs)
  }

  #demand(table: Table, name: ProgramName) {
    return proofDemands(table).find((demand) => programKey(demand) === programKey(name))!
  }

  /** Makes the proxy of a rollup's address on L1. */
  async makeProxy({ address, rollupId }: Party): Promise<Address> {
    const proxy = await this.l1.proxyOf(address, rollupId)
    const args = [address, rollupId] as const
    await this.transact(encodeFunctionData({ abi: rollupsAbi, functionName: 'createProxy', args }))
    this.#proxies.set(`${rollupId}${lower(address)}`, proxy)
    return proxy
  }

  /** How players reach each other through proxies; those on L1 have to be made first. */
  get route(): Route {
    return {
      registry: this.l1.registry,
      address: (from, to) => {
        if (from.rollupId === to.rollupId) return to.address
        const outside = { original: to.address, rollupId: to.rollupId }
        if (from.rollupId !== 0n) return proxyAddressOn(this.proxyCode, outside)
        const proxy = this.#proxies.get(`${to.rollupId}${lower(to.address)}`)
        if (proxy === undefined) throw new Error(`no proxy of ${to.address} was made`)
        return proxy
      },
    }
  }

  /** A transaction of the deployer, by default to the registry. @throws when it reverts. */
  async transact(data: Hex, to: Address = this.l1.registry, valueWei = 0n): Promise<Receipt> {
    return transactOn(this.anvil, { to, data, value: `0x${valueWei.toString(16)}` })
  }

  /** For the next twenty blocks, for `executor` alone. */
  async context(executor: Address = this.user.address): Promise<WritingContext> {
    const { number } = await this.l1.head()
    return { firstBlock: number + 1, lastBlock: number + 20, executor }
  }

  /** Writes the table of some calls of the user. @throws as `writeTable`. */
  async write(
    calls: readonly Call[],
    { from = this.user.address, context }: { from?: Address; context?: WritingContext } = {},
  ): Promise<WrittenTable> {
    const { l1, rollups } = this
    const until = context ?? (await this.context(from))
    return writeTable({ from, calls }, until, { l1, rollups })
  }

  /** The call that posts a written table with its proofs. */
  async post(written: WrittenTable): Promise<Call> {
    const proofs = proofDemands(written.table).map(async (demand) => ({
      ...demand,
      proof: await this.#provings.get(programKey(demand))!(written.table, written),
    }))
    return postCall(this.l1.registry, written.canonical, await Promise.all(proofs))
  }

  /** Writes, proves, posts and makes the calls; the rollups then stand where L1 has them. */
  async run(calls: readonly Call[]): Promise<WrittenTable & { readonly sent: Sent }> {
    const written = await this.write(calls)
    const sent = await this.l1.send(this.user.key, [await this.post(written), ...calls])
    await this.adopt()
    return { ...written, sent }
  }

  /** Every rollup forgets what did not happen. */
  async adopt(): Promise<void> {
    for (const [id, rollup] of this.rollups) rollup.adopt((await this.l1.rollupOf(id)).stateRoot)
  }

  stop(): Promise<void> {
    return this.anvil.stop()
  }
}

/** The code that deploys a contract of `contracts/src`. */
function creationOf(name: string, args: readonly unknown[] = []): Hex {
  const { abi, bytecode } = artifact(name)
  return encodeDeployData({ abi: abi as Abi, bytecode, args })
}

const deployTo = async (anvil: Anvil, creation: Hex): Promise<Address> =>
  lower((await transactOn(anvil, { data: creation })).contractAddress!)

/** Anvil signs for its own accounts and mines at once. */
async function transactOn(anvil: Anvil, transaction: object): Promise<Receipt> {
  const from = accountOf(fromHex(deployerKey))
  const gas = '0xe00000'
  const whole = { from, gas, ...transaction }
  // Waits for the block: a busy machine's anvil answers before it has mined.
  const receipt = await anvil.request<Receipt>('eth_sendTransactionSync', whole)
  if (BigInt(receipt.status) !== 1n) throw new Error(`${JSON.stringify(whole)} reverted`)
  return receipt
}
