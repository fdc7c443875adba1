import { KnobCircuit } from './knobs.ts'
import { honestInputs, lies, MutantHunt, SHAPE, spoil } from './mutants.ts'

const t = performance.now()
const c = new KnobCircuit(SHAPE.depth)
console.log('compiled', performance.now() - t)
const honest = honestInputs()
for (const h of honest.slice(0, 5))
  console.log(
    h.name,
    await c.accepts(h.input, new Map()),
    await c.look(h.input),
    performance.now() - t,
  )
const hunt = new MutantHunt(c, c.mutants)
for (const h of honest) {
  for (const m of hunt.open.filter((x) => x.kind === 'value' || x.kind === 'input'))
    for (const by of [1n, -1n]) await hunt.tryOff(m, { ...h, frozen: null }, by)
  console.log('off', h.name, hunt.open.length, ((performance.now() - t) / 1000).toFixed(0))
}
for (const l of lies()) await hunt.trySpoiled({ ...l, frozen: null })
console.log('lies', hunt.open.length, ((performance.now() - t) / 1000).toFixed(0))
for (const h of honest) {
  for (const s of spoil(h)) await hunt.trySpoiled(s)
  console.log('spoil', h.name, hunt.open.length, ((performance.now() - t) / 1000).toFixed(0))
}
for (const m of hunt.open) console.log(m.knob, m.kind, m.file, m.line, m.text)
for (const x of hunt.caught.values())
  console.log('CAUGHT', x.mutant.knob, x.mutant.kind, x.mutant.line, x.mutant.text, '|', x.by)
c.close()
