import { describe, expect, test } from 'vitest'
import { createMetrics } from '#node/metrics'

describe('metrics', () => {
  test('what was counted is rendered with its labels', async () => {
    const metrics = createMetrics({ node: 'n1' })
    metrics.countMessage('Bid', 'ignore', 'BID_LATE')
    metrics.countMessage('Bid', 'ignore', 'BID_LATE')
    metrics.countMessage('Bid', 'accept', '')
    metrics.countJob('builder', 'settled')
    metrics.countAuction('awarded')
    metrics.countDropped('Bid', 'rate')
    metrics.countStream('inputs', 'busy')
    metrics.observeValidation('Bid', 120)
    metrics.setGossipPeers('Bid', 7)
    metrics.setQueueLength('settle', 3)
    metrics.setClockOffset(-12)
    const text = await metrics.render()
    const line = (start: string) => text.split('\n').find((row) => row.startsWith(start))
    expect(line('proofwire_messages_total{kind="Bid",verdict="ignore"')).toBe(
      'proofwire_messages_total{kind="Bid",verdict="ignore",code="BID_LATE",node="n1"} 2',
    )
    expect(line('proofwire_jobs_total')).toContain('outcome="settled",node="n1"} 1')
    expect(line('proofwire_auctions_total')).toContain('} 1')
    expect(line('proofwire_dropped_total')).toContain('reason="rate",node="n1"} 1')
    expect(line('proofwire_streams_total')).toContain('answer="busy",node="n1"} 1')
    expect(line('proofwire_validation_microseconds_bucket{le="100"')).toMatch(/ 0$/)
    expect(line('proofwire_validation_microseconds_bucket{le="150"')).toMatch(/ 1$/)
    expect(line('proofwire_gossip_peers')).toMatch(/ 7$/)
    expect(line('proofwire_queue_length')).toMatch(/ 3$/)
    expect(line('proofwire_clock_offset_ms')).toMatch(/ -12$/)
    expect(line('proofwire_event_loop_lag_ms{quantile="0.99"')).toMatch(/ \d+(\.\d+)?$/)
    metrics.stop()
  })

  test('two nodes in one process count apart', async () => {
    const [first, second] = [createMetrics(), createMetrics()]
    first.countAuction('awarded')
    expect(await second.render()).not.toContain('result="awarded"')
    first.stop()
    second.stop()
  })

  test('the event loop’s lag shows a stall and forgets it at the next reading', async () => {
    const metrics = createMetrics()
    const max = async () => Number((await metrics.render()).match(/quantile="1"} (\S+)/)![1])
    const stall = () => {
      const from = performance.now()
      while (performance.now() - from < 150);
    }
    // The loop must turn before and after a stall for it to be measured.
    let turns = 0
    let peak = 0
    const stallOrRead = async () => {
      turns += 1
      if (turns % 2 === 1) stall()
      else peak = Math.max(peak, await max())
      return peak
    }
    await expect.poll(stallOrRead, { timeout: 5_000 }).toBeGreaterThan(100)
    await expect.poll(max).toBeLessThan(100)
    metrics.stop()
  })
})
