import { test } from 'vitest'
import { Random } from '#simulations/random'
import { alice, builder, nameOf, Stage, T0, MILLI } from '#test/support/messages'
import { scripts, play } from '#test/support/storm'
test('hist', () => {
  const small = { maxJobs: 6, maxHeld: 32, maxBids: 4, maxOpenRequests: 4 }
    const random = new Random(9)
    const all = scripts(random, 40)
    const hist = new Map<string, number>(), eff = new Map<string, number>()
  const t = performance.now()
    for (let run = 0; run < 2500; run++) {
      const stage = new Stage({ self: run % 2 ? builder : alice, params: small, prover: { quote: ({request}) => ({ priceWei: MILLI, readyAt: request.softDueAt }), accepts: () => true } })
      stage.now = T0
      const feed = stage.feed.bind(stage)
      stage.feed = (input, now) => { const r = feed(input, now)
        const v = input.kind + ' ' + nameOf(r)
        hist.set(v, (hist.get(v) ?? 0) + 1)
        for (const e of stage.effects) { const k = e.kind === 'announce' ? e.event.kind : e.kind; eff.set(k, (eff.get(k) ?? 0) + 1) }
        return r }
      play(random, all, stage, 300)
    }
    console.log(performance.now() - t)
    console.log([...hist].sort((a, b) => b[1] - a[1]).map((x) => x.join(' ')).join('\n'))
    console.log([...eff].sort((a, b) => b[1] - a[1]).map((x) => x.join(' ')).join(', '))
})
