/**
 * One session of an EVM rollup: from the call that wakes it to the answer that lets it rest.
 *
 * The gateway is an asynchronous precompile: a contract's call out suspends the EVM where it is,
 * and the answer resumes it. A call that comes in meanwhile runs inside, on the same state, as a
 * deeper frame would. A frame that fails after a call out of it succeeded suspends once more, so
 * that the others can undo what they did for it (REVERT).
 *
 * Ether: the gateway holds what is not on the rollup. A call in takes its value from there, a call
 * out leaves it there.
 */
import {
  createEVM,
  type EVM,
  EVMError,
  type EVMResult,
  type ExecResult,
  Message,
} from '@ethereumjs/evm'
import { Account } from '@ethereumjs/util'
import { fromHex, toHex } from '#protocol/field'
import type { Address, Hex } from '#protocol/schema'
import { type Action, L1, MAX_DATA_BYTES, MAX_SCOPE_STEPS } from '#protocol/table'
import { answers, bareAction, isCall, type SessionStep } from './evm-answers.ts'
import {
  enterFrame,
  type Frame,
  type Inside,
  leaveFrame,
  type MessageCall,
  openPath,
  pathLength,
  type Run,
  startRun,
} from './evm-frames.ts'
import {
  encodeAddress,
  encodeBytes,
  GATEWAY,
  type GatewayCall,
  gatewayError,
  type MachineRules,
  type Outside,
  PROXY_SALT,
  packOutside,
  proxyAddressOn,
  proxyInitCode,
  readGatewayCall,
  slotOf,
  unpackOutside,
} from './evm-gateway.ts'
import { type EvmState, evmAddress } from './evm-state.ts'
import { readTransaction } from './evm-transaction.ts'
import type { StepRefusal } from './state-transition.ts'

/** Gas of whatever comes in, each anew: a call, a transaction. Nobody pays for it. */
export const CALL_GAS = 30_000_000n
/** Gas a call out costs its caller; what it does elsewhere is not counted here. */
export const CALL_OUT_GAS = 20_000n
/** Gas for making a proxy; whoever calls in does not pay it. */
const CREATE_GAS = 10_000_000n

type PrecompileCall = { readonly data: Uint8Array; readonly gasLimit: bigint }
type Outcome = {
  readonly failed: boolean
  readonly data: Hex
  /** Nothing changed. */
  readonly isNothing: boolean
}
const FAILED: Outcome = { failed: true, data: '0x', isNothing: true }

const succeed = (data: Hex): ExecResult => ({
  executionGasUsed: CALL_OUT_GAS,
  returnValue: fromHex(data),
})
const revert = (data: Hex): ExecResult => ({
  ...succeed(data),
  exceptionError: new EVMError(EVMError.errorMessages.REVERT),
})
const outOfGas = (gasLimit: bigint): ExecResult => ({
  executionGasUsed: gasLimit,
  returnValue: new Uint8Array(0),
  exceptionError: new EVMError(EVMError.errorMessages.OUT_OF_GAS),
})

/** A session. One `give` at a time. */
export class EvmSession {
  readonly #evm: EVM
  readonly #state: EvmState
  readonly #rules: MachineRules
  readonly #runs: Run[] = []
  #inputs = 0
  #report: (step: SessionStep) => void = () => {}
  #fail: (error: unknown) => void = () => {}

  /** @param state Is changed: give it a copy. */
  static async open(state: EvmState, rules: MachineRules): Promise<EvmSession> {
    // The precompile needs the session, which needs the EVM, which needs the precompile.
    const late: { session?: EvmSession } = {}
    const gateway = {
      address: evmAddress(GATEWAY),
      function: (input: PrecompileCall) => late.session!.#gateway(input),
    }
    const { common } = state
    const evm = await createEVM({ common, stateManager: state, customPrecompiles: [gateway] })
    late.session = new EvmSession(evm, state, rules)
    return late.session
  }

  private constructor(evm: EVM, state: EvmState, rules: MachineRules) {
    this.#evm = evm
    this.#state = state
    this.#rules = rules
    evm.events.on('beforeMessage', (message) => this.#enter(message))
    // With a second parameter: the EVM waits until it is called.
    evm.events.on('afterMessage', (result, resume) => {
      this.#leave(result).then(resume, (error) => this.#fail(error))
    })
  }

  /** Whether nothing that came in is unanswered. */
  get isAtRest(): boolean {
    return this.#runs.length === 0
  }

  /** The root of the accounts' trie. Only at rest. */
  async trieRoot(): Promise<Hex> {
    return toHex(await this.#state.getStateRoot())
  }

  /** What lasts for a session ends: transient words, and what is cheaper the second time. */
  async #rest(): Promise<void> {
    this.#evm.transientStorage.clear()
    await this.#evm.journal.cleanup()
  }

  /** Makes proxies, as if their addresses had called in. Only at rest. */
  async makeProxies(outsides: readonly Outside[]): Promise<void> {
    await this.#setOrigin(GATEWAY)
    this.#runs.push({ frames: [], scope: [], pending: null })
    for (const outside of outsides) await this.#makeProxy(outside)
    this.#runs.pop()
    await this.#rest()
  }

  /**
   * Takes an action and runs until the rollup calls out, reverts a frame or answers.
   *
   * @returns What follows; or, with nothing changed, why the rollup cannot take this action now.
   * @throws What the EVM throws when it is broken; never for what a contract does.
   */
  async give(action: Action): Promise<SessionStep | StepRefusal> {
    const refused = isCall(action) ? await this.#refusesCall(action) : this.#refusesAnswer(action)
    if (refused !== null) return { refused }
    this.#inputs += 1
    return new Promise((resolve, reject) => {
      this.#report = resolve
      this.#fail = reject
      if (isCall(action)) {
        this.#run(action).then(
          (step) => this.#report(step),
          (error) => this.#fail(error),
        )
        return
      }
      const run = this.#runs.at(-1)!
      const { resume } = run.pending!
      run.pending = null
      resume(action)
    })
  }

  async #refusesCall(action: Action): Promise<string | null> {
    if (this.#runs.at(-1)?.pending?.next.actionType === 'REVERT') return 'it is reverting a frame'
    if (action.actionType !== 'L2TX') {
      return action.sourceRollup === this.#rules.rollupId ? 'it comes from the rollup itself' : null
    }
    const transaction = readTransaction(action.data, this.#rules.evmChainId)
    if (transaction === null) return 'the data is no transaction signed for this rollup'
    const { from, nonce, valueWei } = transaction
    if (from !== action.destination) return `the transaction was signed by ${from}`
    const account = await this.#account(from)
    if (account.nonce !== nonce) return `the nonce of ${from} is ${account.nonce}, not ${nonce}`
    return account.balance < valueWei ? `${from} has ${account.balance} wei` : null
  }

  #refusesAnswer(action: Action): string | null {
    const pending = this.#runs.at(-1)?.pending
    if (!pending) return `nothing waits for a ${action.actionType}`
    const { next, entering } = pending
    return answers(action, next, entering)
      ? null
      : `the ${next.actionType} waits for another answer`
  }

  async #run(action: Action): Promise<SessionStep> {
    const outer = this.#runs.at(-1)?.frames.at(-1)?.message
    const inside = {
      depth: this.#runs.reduce((sum, { frames }) => sum + frames.length, 0),
      isStatic: outer?.isStatic === true,
    }
    if (this.isAtRest) await this.#setOrigin(this.#originOf(action))
    // Without the input it answers, or, of a session that is over, without any.
    const inputs = this.isAtRest ? 0 : this.#inputs - 1
    this.#runs.push(startRun(action))
    await this.#evm.journal.checkpoint()
    const { failed, data, isNothing } =
      action.actionType === 'L2TX'
        ? await this.#transact(action, inside)
        : await this.#receive(action, inside)
    // What changed nothing leaves nothing, not even the proxy of its caller, which nobody here
    // remembers. That is what lets L1 read a rollup with a static call.
    await (isNothing ? this.#evm.journal.revert() : this.#evm.journal.commit())
    this.#runs.pop()
    if (this.isAtRest) await this.#rest()
    const receiver = action.actionType === 'L2TX' ? L1 : action.sourceRollup
    const result = bareAction('RESULT', this.#rules, action.scope, receiver)
    const next = { ...result, data, failed, value: failed ? action.value : 0n }
    if (isNothing || this.isAtRest) this.#inputs = inputs
    return isNothing ? { next, backTo: inputs } : { next }
  }

  /** A call from outside, made by its caller's proxy. */
  async #receive(action: Action, inside: Inside): Promise<Outcome> {
    const { destination, value, data } = action
    // The gateway believes what a proxy says, so a proxy may never speak to it for an outsider.
    if (destination === GATEWAY || (inside.isStatic && value > 0n)) return FAILED
    const outside = { original: action.sourceAddress, rollupId: action.sourceRollup }
    const caller = await this.#makeProxy(outside)
    if ((await this.#account(GATEWAY)).balance < value) return FAILED
    await this.#add(GATEWAY, -value)
    await this.#add(caller, value)
    const outcome = await this.#message({ ...inside, caller, to: destination, value, data })
    return { ...outcome, isNothing: outcome.isNothing && (outcome.failed || value === 0n) }
  }

  /** A transaction of an account of the rollup. */
  async #transact(action: Action, inside: Inside): Promise<Outcome> {
    const { from, to, valueWei, data } = readTransaction(action.data, this.#rules.evmChainId)!
    if (inside.isStatic) return FAILED
    const account = await this.#account(from)
    account.nonce += 1n
    await this.#evm.journal.putAccount(evmAddress(from), account)
    const outcome = await this.#message({ ...inside, caller: from, to, value: valueWei, data })
    return { ...outcome, isNothing: outcome.failed }
  }

  async #message(call: MessageCall): Promise<Outcome> {
    const createdAddresses = new Set<Hex>()
    const message = new Message({
      caller: evmAddress(call.caller),
      ...(call.to === null ? {} : { to: evmAddress(call.to) }),
      ...(call.salt === undefined ? {} : { salt: fromHex(call.salt) }),
      value: call.value,
      data: fromHex(call.data),
      depth: call.depth,
      isStatic: call.isStatic,
      gasLimit: call.gasLimit ?? CALL_GAS,
      selfdestruct: new Map(),
      createdAddresses,
    })
    const before = this.#traces()
    const ran = await this.#evm.runCall({ message, skipNonceIncrement: true })
    const { exceptionError, returnValue, selfdestruct } = ran.execResult
    if (exceptionError !== undefined) {
      const isRevert = exceptionError.error === EVMError.errorMessages.REVERT
      return { ...FAILED, data: isRevert ? toHex(returnValue) : '0x' }
    }
    for (const address of selfdestruct?.keys() ?? []) {
      if (createdAddresses.has(address)) await this.#evm.journal.deleteAccount(evmAddress(address))
    }
    const { createdAddress } = ran
    const isCreate = call.to === null && createdAddress !== undefined
    const data = isCreate ? encodeAddress(createdAddress.toString()) : toHex(returnValue)
    return { failed: false, data, isNothing: before === this.#traces() }
  }

  /** What tells whether something changed: in the accounts, or in what lasts for the session. */
  #traces(): string {
    const slots = Object.values(this.#evm.transientStorage.toJSON())
    // A proxy writes a zero to learn whether it may write.
    const kept = slots.flatMap(Object.entries).filter(([, word]) => /[1-9a-f]/.test(word.slice(2)))
    return JSON.stringify([this.#state.changes, kept])
  }

  /** The session's `tx.origin`: who signed, or the proxy of who called first. */
  #originOf({ actionType, destination, sourceAddress, sourceRollup }: Action): Address {
    const outside = { original: sourceAddress, rollupId: sourceRollup }
    return actionType === 'L2TX' ? destination : proxyAddressOn(this.#rules.proxyCode, outside)
  }

  async #setOrigin(origin: Address): Promise<void> {
    // Running code as a whole sets it; messages inherit it.
    await this.#evm.runCode({ code: new Uint8Array(0), origin: evmAddress(origin) })
  }

  async #account(address: Address): Promise<Account> {
    return (await this.#state.getAccount(evmAddress(address))) ?? new Account()
  }

  async #add(address: Address, deltaWei: bigint): Promise<void> {
    if (deltaWei === 0n) return
    const account = await this.#account(address)
    account.balance += deltaWei
    await this.#evm.journal.putAccount(evmAddress(address), account)
  }

  /** The proxy of an outside address, made if there is none. */
  async #makeProxy(outside: Outside): Promise<Address> {
    const { proxyCode } = this.#rules
    const proxy = proxyAddressOn(proxyCode, outside)
    if ((await this.#outsideOf(proxy)) !== null) return proxy
    const data = proxyInitCode(proxyCode, outside)
    const caller = GATEWAY
    const created = { caller, to: null, value: 0n, data, depth: 1, isStatic: false }
    const ran = await this.#message({ ...created, salt: PROXY_SALT, gasLimit: CREATE_GAS })
    if (ran.failed) throw new Error(`the proxy's constructor failed: ${ran.data}`)
    await this.#state.putStorage(evmAddress(GATEWAY), slotOf(proxy), packOutside(outside))
    return proxy
  }

  /** Whose proxy an address is; null if it is none. */
  async #outsideOf(proxy: Address): Promise<Outside | null> {
    const record = await this.#state.getStorage(evmAddress(GATEWAY), slotOf(proxy))
    return record.length === 0 ? null : unpackOutside(record)
  }

  #enter(message: Message): void {
    enterFrame(this.#runs.at(-1)!, message)
  }

  async #leave({ execResult }: EVMResult): Promise<void> {
    const failed = execResult.exceptionError !== undefined
    const { isDirty, path, entering } = leaveFrame(this.#runs.at(-1)!, failed)
    if (!failed || !isDirty) return
    // The EVM has undone what the frame did here.
    const next = bareAction('REVERT', this.#rules, path!, this.#rules.rollupId)
    await this.#suspend({ next, entering: entering! })
  }

  /** What a contract's call to the gateway does. */
  async #gateway({ data, gasLimit }: PrecompileCall): Promise<ExecResult> {
    if (gasLimit < CALL_OUT_GAS) return outOfGas(gasLimit)
    const frame = this.#runs.at(-1)!.frames.at(-1)!
    const { to, isStatic, value } = frame.message
    // Borrowed by DELEGATECALL it would run as the borrower, for the borrower's caller.
    const call = to?.toString() === GATEWAY ? readGatewayCall(toHex(data)) : null
    if (call?.kind === 'call') return this.#callOut(frame, call)
    if (call === null || value > 0n) return revert(gatewayError('UnknownFunction'))
    const { rollupId } = this.#rules
    if (call.rollupId === rollupId) return revert(gatewayError('OwnRollup', [rollupId]))
    if (call.kind === 'where') {
      return succeed(encodeAddress(proxyAddressOn(this.#rules.proxyCode, call)))
    }
    if (isStatic) return revert(gatewayError('StaticCall'))
    return succeed(encodeAddress(await this.#makeProxy(call)))
  }

  /** A proxy passes a call on: it goes out, and the contract waits. */
  async #callOut(frame: Frame, call: GatewayCall & { kind: 'call' }): Promise<ExecResult> {
    const { caller, value } = frame.message
    const proxy = caller.toString() as Address
    const outside = await this.#outsideOf(proxy)
    // A proxy's frame makes one call, so that the call can have its path.
    if (outside === null || frame.parent === null || frame.parent.path !== null) {
      return revert(gatewayError('NotProxy', [proxy]))
    }
    const dataBytes = (call.data.length - 2) / 2
    if (dataBytes > MAX_DATA_BYTES) return revert(gatewayError('DataTooLong', [dataBytes]))
    const run = this.#runs.at(-1)!
    const steps = pathLength(run, frame.parent)
    if (steps > MAX_SCOPE_STEPS) return revert(gatewayError('TooDeep', [steps]))
    const path = openPath(run, frame.parent, { valueWei: value, inputs: this.#inputs })
    const next: Action = {
      ...bareAction('CALL', this.#rules, path, outside.rollupId),
      destination: outside.original,
      value,
      data: call.data,
      sourceAddress: call.source,
    }
    const { failed, data } = await this.#suspend({ next })
    if (failed) return revert(data)
    frame.isDirty = true
    return succeed(encodeBytes(data))
  }

  #suspend(step: SessionStep): Promise<Action> {
    const run = this.#runs.at(-1)!
    return new Promise((resume) => {
      run.pending = { ...step, resume }
      this.#report(step)
    })
  }
}
