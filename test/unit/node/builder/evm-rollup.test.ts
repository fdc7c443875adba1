import { privateKeyToAccount } from 'viem/accounts'
import { encodeFunctionData } from 'viem/utils'
import { expect, test } from 'vitest'
import { GATEWAY, gatewayAbi, gatewayError } from '#node/builder/evm-gateway'
import type { EvmRollup } from '#node/builder/evm-rollup'
import type { Address, Hex } from '#protocol/schema'
import { type Action, MAX_SCOPE_STEPS } from '#protocol/table'
import { devKeys } from '#test/support/anvil'
import {
  ann,
  answerTo,
  bob,
  callOf,
  continued,
  elsewhere,
  onL1,
  proxyOf,
  startRollup,
  take,
} from '#test/support/evm-stage'
import type { Script, ScriptStep } from '#test/support/script'

const rollup = await startRollup()
const start = rollup.genesisRoot

const calling = (to: typeof ann, valueWei = 0n, script: Script = []): ScriptStep => ({
  kind: 'call',
  to,
  valueWei,
  script,
})
const trying = (to: typeof ann, script: Script, valueWei = 0n): ScriptStep => ({
  kind: 'try',
  to,
  valueWei,
  script,
})
const revert: ScriptStep = { kind: 'revert' }
const write = (slot: number, word: bigint): ScriptStep => ({ kind: 'write', slot, word })

async function has(on: EvmRollup, root: Hex, address: Address): Promise<bigint> {
  return (await on.viewAt(root)).balanceOf(address)
}

test('value that comes in is on the callee, and its entry says so', async () => {
  const { root, entry, next } = await take(rollup, start, callOf(ann, [write(0, 5n)], 7n))
  expect(entry.deltas[0]).toMatchObject({ rootBefore: start, etherDelta: 7n })
  expect(next).toMatchObject({ actionType: 'RESULT', rollupId: 0n, failed: false, value: 0n })
  const view = await rollup.viewAt(root)
  expect(await view.balanceOf(ann.address)).toBe(7n)
  expect(await view.storageOf(ann.address, 0n)).toBe(5n)
})

test('a call that fails hands its value back and leaves the root', async () => {
  const { root, entry, next } = await take(rollup, start, callOf(ann, [revert], 7n))
  expect(entry.deltas[0]!.etherDelta).toBe(0n)
  expect(next).toMatchObject({ failed: true, value: 7n })
  expect(next.data).toHaveLength(66)
  expect(root).toBe(start)
})

test('value that goes out leaves the rollup, and a failed answer brings it back', async () => {
  const out = await take(rollup, start, callOf(ann, [trying(onL1, [], 3n)], 10n))
  expect(out.next).toMatchObject({ actionType: 'CALL', rollupId: 0n, value: 3n, scope: [0, 0] })
  expect(out.next.sourceAddress).toBe(ann.address)
  expect(out.entry.deltas[0]!.etherDelta).toBe(7n)
  const well = await take(rollup, out.root, answerTo(out.next))
  expect(await has(rollup, well.root, ann.address)).toBe(7n)
  const badly = await take(rollup, out.root, answerTo(out.next, '0x1234', true))
  expect(badly.entry.deltas[0]!.etherDelta).toBe(3n)
  expect(await has(rollup, badly.root, ann.address)).toBe(10n)
})

test('every call of a session has a path of its own', async () => {
  const script = [calling(onL1), trying(bob, [calling(elsewhere), calling(onL1)]), calling(onL1)]
  let taken = await take(rollup, start, callOf(ann, script))
  const paths = []
  while (taken.next.actionType === 'CALL') {
    paths.push(taken.next.scope)
    taken = await take(rollup, taken.root, answerTo(taken.next))
  }
  expect(paths).toEqual([
    [0, 0],
    [0, 1, 0],
    [0, 1, 1],
    [0, 2],
  ])
})

test('a frame that fails after a call out of it succeeded is reverted everywhere', async () => {
  const inner = [calling(onL1, 2n), revert]
  const script = [trying(bob, inner, 3n), { kind: 'balance' }, write(0, 1n)] as const
  const out = await take(rollup, start, callOf(ann, script, 10n))
  const reverted = await take(rollup, out.root, answerTo(out.next))
  expect(reverted.next).toMatchObject({ actionType: 'REVERT', rollupId: 1n, scope: [0, 0] })
  expect(reverted.next.data).toBe(reverted.root)
  // L1 is back where the call had gone out, and so is the rollup's root.
  const done = await take(rollup, out.root, continued(reverted.next, 2n))
  expect(done.entry.deltas[0]).toMatchObject({ rootBefore: out.root, etherDelta: 2n })
  expect(await has(rollup, done.root, ann.address)).toBe(10n)
  expect(await has(rollup, done.root, bob.address)).toBe(0n)
  await expect(take(rollup, reverted.root, continued(reverted.next, 2n))).rejects.toThrow('entered')
  await expect(take(rollup, out.root, continued(reverted.next, 1n))).rejects.toThrow('another')
})

test('a call that comes in meanwhile runs inside', async () => {
  const out = await take(rollup, start, callOf(ann, [calling(onL1, 2n), { kind: 'balance' }], 2n))
  const inside = await take(rollup, out.root, callOf(ann, [write(1, 9n)], 5n))
  expect(inside.next).toMatchObject({ actionType: 'RESULT', failed: false })
  const after = await take(rollup, inside.root, answerTo(out.next))
  const view = await rollup.viewAt(after.root)
  expect(await view.balanceOf(ann.address)).toBe(5n)
  expect(await view.storageOf(ann.address, 1n)).toBe(9n)
  // And without it the same answer leads elsewhere.
  const without = await take(rollup, out.root, answerTo(out.next))
  expect(without.next.data).not.toBe(after.next.data)
})

test('what changes nothing leaves the root, at rest and suspended', async () => {
  const look = callOf(ann, [{ kind: 'read', slot: 0 }])
  const stranger = { ...look, sourceAddress: bob.address }
  expect((await take(rollup, start, stranger)).root).toBe(start)
  const out = await take(rollup, start, callOf(ann, [write(0, 3n), calling(onL1)]))
  const seen = await take(rollup, out.root, stranger)
  expect(seen.root).toBe(out.root)
  expect(seen.next.data).not.toBe((await take(rollup, start, stranger)).next.data)
})

test('nothing changes on the rollup while a static call of its waits', async () => {
  const asks: ScriptStep = { kind: 'static', to: onL1, valueWei: 0n, script: [] }
  const out = await take(rollup, start, callOf(ann, [asks]))
  expect(out.next).toMatchObject({ actionType: 'CALL', value: 0n })
  const writes = await take(rollup, out.root, callOf(bob, [write(0, 1n)]))
  expect(writes.next.failed).toBe(true)
  const pays = await take(rollup, out.root, callOf(bob, [], 1n))
  expect(pays.next).toMatchObject({ failed: true, value: 1n })
  const looks = await take(rollup, out.root, callOf(bob, [{ kind: 'read', slot: 0 }]))
  expect(looks.next.failed).toBe(false)
})

test('an answer nobody waits for is refused', async () => {
  const out = await take(rollup, start, callOf(ann, [calling(onL1, 0n)]))
  const answer = answerTo(out.next)
  await expect(take(rollup, start, answer)).rejects.toThrow('nothing waits')
  for (const wrong of [
    { scope: [0] },
    { sourceRollup: 2n },
    { value: 1n },
    { failed: true, value: 1n },
  ]) {
    await expect(take(rollup, out.root, { ...answer, ...wrong })).rejects.toThrow('another answer')
  }
  await expect(take(rollup, `0x${'00'.repeat(32)}`, answer)).rejects.toThrow('no state')
  const own = { ...callOf(ann, []), sourceRollup: 1n }
  await expect(take(rollup, start, own)).rejects.toThrow('itself')
})

test('a call that runs out of gas fails, every time the same', async () => {
  const loops: Address = `0x${'c'.repeat(40)}`
  // JUMPDEST PUSH0 JUMP
  const looping = await startRollup([{ address: loops, code: '0x5b5f56' }])
  const call = { ...callOf(ann, []), destination: loops, value: 4n }
  const first = await take(looping, looping.genesisRoot, call)
  expect(first.next).toMatchObject({ failed: true, data: '0x', value: 4n })
  expect(first.root).toBe(looping.genesisRoot)
  const again = await take(looping, looping.genesisRoot, call)
  expect(again.entry).toEqual(first.entry)
})

test('nobody speaks to the gateway in another name', async () => {
  const forges: Address = `0x${'d'.repeat(40)}`
  // Its caller's words to the gateway, by DELEGATECALL; answers whether it was heard.
  const code: Hex = `0x365f5f375f5f365f73${GATEWAY.slice(2)}5af45f5260205ff3`
  const borrowing = await startRollup([{ address: forges, code }])
  const words = encodeFunctionData({
    abi: gatewayAbi,
    functionName: 'executeCall',
    args: [bob.address, '0x'],
  })
  const direct = { ...callOf(ann, []), destination: GATEWAY, data: words, value: 1n }
  const refused = { actionType: 'RESULT', failed: true, value: 1n }
  expect((await take(borrowing, borrowing.genesisRoot, direct)).next).toMatchObject(refused)
  const borrowed = { ...callOf(ann, []), destination: forges, data: words }
  const { next } = await take(borrowing, borrowing.genesisRoot, borrowed)
  expect(next).toMatchObject({ actionType: 'RESULT', failed: false, data: `0x${'00'.repeat(32)}` })
  // An account that is no proxy has no say either.
  const asks: ScriptStep = {
    kind: 'call',
    to: { ...ann, address: GATEWAY },
    valueWei: 0n,
    script: [],
  }
  const own = await take(rollup, start, callOf(ann, [asks]))
  expect(own.next).toMatchObject({ failed: true, data: gatewayError('UnknownFunction') })
})

test('calls out nest no deeper than a scope has steps', async () => {
  let script: Script = [calling(onL1)]
  for (let depth = 0; depth < MAX_SCOPE_STEPS; depth++) {
    script = [calling(depth % 2 === 0 ? bob : ann, 0n, script)]
  }
  const { next } = await take(rollup, start, callOf(ann, script))
  expect(next).toMatchObject({ actionType: 'RESULT', failed: true })
  expect(next.data).toBe(gatewayError('TooDeep', [MAX_SCOPE_STEPS + 2]))
})

const signer = privateKeyToAccount(devKeys[1]!)
const owner = signer.address.toLowerCase() as Address

async function transaction(
  on: EvmRollup,
  given: { nonce?: number; to?: Address; data?: Hex; value?: bigint; chainId?: number },
): Promise<Action> {
  const fees = { gas: 21_000n, maxFeePerGas: 0n, maxPriorityFeePerGas: 0n }
  const nonce = given.nonce ?? 0
  const fields = { chainId: on.evmChainId, nonce, ...fees, ...given, type: 'eip1559' } as const
  const data = await signer.signTransaction(fields)
  const bare = callOf(ann, [])
  return {
    ...bare,
    actionType: 'L2TX',
    destination: owner,
    sourceAddress: bare.sourceAddress,
    data,
  }
}

test('a signed transaction runs once', async () => {
  const on = await startRollup([{ address: owner, balanceWei: 50n }])
  const l2tx = await transaction(on, { to: bob.address, value: 20n })
  const { root, entry, next } = await take(on, on.genesisRoot, l2tx)
  expect(entry.deltas[0]!.etherDelta).toBe(0n)
  expect(next).toMatchObject({ actionType: 'RESULT', rollupId: 0n, failed: false })
  expect(await has(on, root, bob.address)).toBe(20n)
  await expect(take(on, root, l2tx)).rejects.toThrow('nonce')
  const rich = await transaction(on, { nonce: 1, to: bob.address, value: 31n })
  await expect(take(on, root, rich)).rejects.toThrow('30 wei')
})

test('a transaction for another chain, or of another account, is refused', async () => {
  const other = await transaction(rollup, { to: bob.address, chainId: 1 })
  await expect(take(rollup, start, other)).rejects.toThrow('no transaction')
  const good = await transaction(rollup, { to: bob.address })
  const stolen = { ...good, destination: ann.address }
  await expect(take(rollup, start, stolen)).rejects.toThrow('signed by')
  await expect(take(rollup, start, { ...good, data: `${good.data}00` })).rejects.toThrow(
    'no transaction',
  )
})

test('a transaction makes a contract and is told where', async () => {
  // Its code is one byte, 01.
  const create = await transaction(rollup, { data: '0x600160005360016000f3' })
  const { root, next } = await take(rollup, start, create)
  const made: Address = `0x${next.data.slice(26)}`
  const view = await rollup.viewAt(root)
  expect(await view.codeOf(made)).toBe('0x01')
  expect(await view.nonceOf(owner)).toBe(1n)
})

test('a caller from outside gets a proxy, at the address anyone can compute', async () => {
  const { root } = await take(rollup, start, {
    ...callOf(ann, [write(0, 1n)]),
    sourceAddress: bob.address,
  })
  const proxy = proxyOf({ rollupId: 0n, address: bob.address })
  expect(await (await rollup.viewAt(start)).codeOf(proxy)).toBe('0x')
  const known = await (await rollup.viewAt(start)).codeOf(proxyOf(onL1))
  expect(await (await rollup.viewAt(root)).codeOf(proxy)).toBe(known)
})
