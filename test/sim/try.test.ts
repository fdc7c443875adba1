import { test } from 'vitest'
import { SimMarket, ETHER } from '#test/support/sim'
test('x', () => {
  const m = new SimMarket({ provers: { alice: {}, bob: { priceWei: ETHER / 500n } } })
  const before = m.world.chain.totalWei
  const id = m.ask({ backups: 1 })
  m.runOut()
  for (const [n, a] of Object.entries({ b: m.builder, o: m.observer, ...m.provers })) {
    console.log(n, a.events.map((e) => e.kind).join(' '), [...a.refusals], a.market.job(id)?.outcome, a.handled)
  }
  console.log(before === m.world.chain.totalWei, m.world.chain, m.world.simulator.digest)
})
