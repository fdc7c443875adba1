import { describe, expect, test } from 'vitest'
import { defaultMeshLimits, Mesh } from '#simulations/mesh'
import { Random } from '#simulations/random'
import { drawDials, type Graph, graphOf } from '#simulations/topology'

const NODES = 200

function settled(isUsable: (edge: number) => boolean = () => true) {
  const graph = graphOf(NODES, drawDials(NODES, 12, new Random(1)))
  const mesh = new Mesh(graph, 2, new Random(2), defaultMeshLimits, isUsable)
  beats(mesh, 0)
  return { graph, mesh }
}
function beats(mesh: Mesh, from: number): void {
  for (let round = 0; round < 5; round++)
    for (let node = 0; node < NODES; node++)
      for (const topic of [0, 1]) mesh.heartbeat(topic, node, from + round * 1_000)
}
const everyNode = Array.from({ length: NODES }, (_, node) => node)
/** Everybody connected to node 0, which dialled `own` of them. */
const star = (own: number): Graph =>
  graphOf(
    41,
    Array.from({ length: 40 }, (_, index) => (index < own ? [0, index + 1] : [index + 1, 0])),
  )

describe('a mesh', () => {
  test('has between three quarters and one and a half of its degree, both ways', () => {
    const { graph, mesh } = settled()
    for (const topic of [0, 1])
      for (const node of everyNode) {
        const peers = mesh.peers(topic, node)
        expect(peers.length).toBeGreaterThanOrEqual(6)
        expect(peers.length).toBeLessThanOrEqual(12)
        expect(new Set(peers).size).toBe(peers.length)
        expect(peers.filter((edge) => graph.isDialled[edge] === 1).length).toBeGreaterThanOrEqual(3)
        for (const edge of peers) {
          expect(graph.from[edge]).toBe(node)
          expect(mesh.peers(topic, graph.to[edge]!)).toContain(graph.reverse[edge])
        }
        expect(mesh.isFine(topic, node)).toBe(true)
      }
  })

  test('is not the same for every topic', () => {
    const { mesh } = settled()
    const same = everyNode.filter((node) => `${mesh.peers(0, node)}` === `${mesh.peers(1, node)}`)
    expect(same.length).toBeLessThan(5)
  })

  test('lets go of a peer that cannot be used, and takes others in its place', () => {
    const gone = new Set<number>()
    const { graph, mesh } = settled((edge) => !gone.has(edge))
    const lost = [...mesh.peers(0, 7)]
    for (const edge of lost) gone.add(edge).add(graph.reverse[edge]!)
    expect(mesh.isFine(0, 7)).toBe(false)
    beats(mesh, 10_000)
    expect(mesh.peers(0, 7).length).toBeGreaterThanOrEqual(6)
    for (const edge of mesh.peers(0, 7)) expect(lost).not.toContain(edge)
  })

  test('that is full takes only whom it dialled itself', () => {
    const graph = star(5)
    const mesh = new Mesh(graph, 1, new Random(1), defaultMeshLimits, () => true)
    const towards0 = (node: number): number => graph.starts[node]!
    const strangers = Array.from({ length: 35 }, (_, index) => towards0(index + 6))
    const taken = strangers.filter((edge) => mesh.graft(0, edge, 0))
    expect(taken.length).toBe(12)
    expect(mesh.graft(0, towards0(1), 0)).toBe(true)
    expect(mesh.peers(0, 0)).toHaveLength(13)
    // At its next heartbeat it is down to its degree, three of which it dialled.
    mesh.heartbeat(0, 0, 1_000)
    mesh.heartbeat(0, 0, 2_000)
    const dialled = mesh.peers(0, 0).filter((edge) => graph.isDialled[edge] === 1)
    expect(dialled.length).toBeGreaterThanOrEqual(3)
    expect(mesh.peers(0, 0).length).toBeLessThanOrEqual(12)
  })

  test('does not take back whom it pruned, for a minute', () => {
    const graph = star(0)
    const mesh = new Mesh(graph, 1, new Random(1), { ...defaultMeshLimits, most: 40 }, () => true)
    const all = Array.from({ length: 40 }, (_, index) => graph.starts[index + 1]!)
    for (const edge of all) mesh.graft(0, edge, 0)
    const strict = new Mesh(graph, 1, new Random(1), { ...defaultMeshLimits, most: 12 }, () => true)
    for (const edge of all.slice(0, 12)) strict.graft(0, edge, 0)
    const [first] = strict.peers(0, 0)
    expect(strict.graft(0, graph.reverse[first!]!, 0)).toBe(false)
    expect(strict.graft(0, all[20]!, 0)).toBe(false)
    // It remembers that it was refused.
    expect(strict.graft(0, all[20]!, 59_000)).toBe(false)
    expect(mesh.peers(0, 0)).toHaveLength(40)
  })
})
