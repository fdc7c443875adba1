import { afterEach, describe, expect, test } from 'vitest'
import { type ClockWatch, watchClock } from '#node/clock-watch'
import type { Host } from '#node/host'
import { silentLog } from '#node/log'
import { startHost, stopHost, stopHosts } from '#test/support/hosts'

afterEach(stopHosts)

const protocol = '/proofwire/clock/test'

async function startWatch(aheadMs: number): Promise<{ host: Host; watch: ClockWatch }> {
  const host = await startHost({ limits: { wantedPeers: 0 } })
  const now = () => Date.now() + aheadMs
  return { host, watch: await watchClock({ host, protocol, now, log: silentLog, againMs: 50 }) }
}

describe('clock watch', () => {
  test('the offset is the median of the connected peers’ clocks less ours', async () => {
    const own = await startWatch(0)
    expect(own.watch.offset()).toBeNull()
    const peers = [await startWatch(-50_000), await startWatch(9_000), await startWatch(1e9)]
    for (const { host } of peers) await own.host.connect(host.addresses()[0]!)
    await expect.poll(() => own.watch.offset()?.peers).toBe(3)
    // A busy machine delays one way more than the other, by half of the round trip at most.
    expect(Math.abs(own.watch.offset()!.offsetMs - 9_000)).toBeLessThan(4_000)
    await stopHost(peers[2]!.host)
    await stopHost(peers[1]!.host)
    await expect.poll(() => own.watch.offset()?.peers).toBe(1)
    expect(Math.abs(own.watch.offset()!.offsetMs + 50_000)).toBeLessThan(4_000)
  })

  test('both sides of a connection learn the difference', async () => {
    const [a, b] = [await startWatch(0), await startWatch(9_000)]
    await a.host.connect(b.host.addresses()[0]!)
    await expect.poll(() => a.watch.offset()?.peers).toBe(1)
    await expect.poll(() => b.watch.offset()?.peers).toBe(1)
    const sum = a.watch.offset()!.offsetMs + b.watch.offset()!.offsetMs
    expect(Math.abs(sum)).toBeLessThan(8_000)
    expect(a.watch.offset()!.offsetMs).toBeGreaterThan(5_000)
  })

  test('peers from before the watch are asked, and asked again', async () => {
    const [a, b] = [await startHost(), await startHost()]
    await a.connect(b.addresses()[0]!)
    const common = { protocol, now: Date.now, log: silentLog }
    const watch = await watchClock({ ...common, host: a, againMs: 20 })
    expect(watch.offset()).toBeNull()
    const late = await watchClock({ ...common, host: b })
    await expect.poll(() => watch.offset()?.peers).toBe(1)
    await expect.poll(() => late.offset()?.peers).toBe(1)
  })

  test('a peer that does not tell its time is left out', async () => {
    const own = await startWatch(0)
    const silent = await startHost({ limits: { wantedPeers: 0 } })
    await own.host.connect(silent.addresses()[0]!)
    const sane = await startWatch(0)
    await own.host.connect(sane.host.addresses()[0]!)
    await expect.poll(() => own.watch.offset()).toMatchObject({ peers: 1 })
  })

  test('once stopped it neither asks nor answers', async () => {
    const [a, b] = [await startWatch(0), await startWatch(0)]
    await b.watch.stop()
    await a.host.connect(b.host.addresses()[0]!)
    const c = await startWatch(0)
    await a.host.connect(c.host.addresses()[0]!)
    await expect.poll(() => a.watch.offset()).toMatchObject({ peers: 1 })
    expect(b.watch.offset()).toBeNull()
  })
})
