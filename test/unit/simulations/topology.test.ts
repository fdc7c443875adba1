import { describe, expect, test } from 'vitest'
import { Random } from '#simulations/random'
import { drawDials, graphOf } from '#simulations/topology'

const edgesOf = ({ edges }: { edges: number }): number[] =>
  Array.from({ length: edges }, (_, edge) => edge)

describe('a graph of connections', () => {
  test('numbers both ways of each, those that leave a node in a row', () => {
    const graph = graphOf(4, [
      [1, 0],
      [2, 0],
      [2, 1],
    ])
    expect([graph.nodes, graph.edges, [...graph.starts]]).toEqual([4, 6, [0, 2, 4, 6, 6]])
    for (const edge of edgesOf(graph)) {
      const back = graph.reverse[edge]!
      expect(graph.reverse[back]).toBe(edge)
      expect([graph.from[back], graph.to[back]]).toEqual([graph.to[edge], graph.from[edge]])
      expect(graph.isDialled[edge]! + graph.isDialled[back]!).toBe(1)
      expect(edge).toBeGreaterThanOrEqual(graph.starts[graph.from[edge]!]!)
      expect(edge).toBeLessThan(graph.starts[graph.from[edge]! + 1]!)
    }
  })

  test('has one connection between two nodes, the first, and none of a node with itself', () => {
    const graph = graphOf(2, [
      [1, 0],
      [0, 1],
      [1, 1],
    ])
    expect([graph.edges, [...graph.from], [...graph.isDialled]]).toEqual([2, [0, 1], [0, 1]])
  })

  test('that is drawn is connected, with the dials asked for and no pair twice', () => {
    for (let seed = 1; seed <= 20; seed++) {
      const dials = drawDials(200, 5, new Random(seed))
      const graph = graphOf(200, dials)
      // A few are drawn twice and left out.
      expect(graph.edges).toBe(2 * dials.length)
      expect(dials.length).toBeGreaterThan(200 * 5 * 0.95)
      expect(dials.length).toBeLessThanOrEqual(200 * 5)
      const reached = new Set([0])
      for (const node of reached)
        for (let edge = graph.starts[node]!; edge < graph.starts[node + 1]!; edge++)
          reached.add(graph.to[edge]!)
      expect(reached.size).toBe(200)
    }
  })
})
