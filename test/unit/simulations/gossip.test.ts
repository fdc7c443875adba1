import { describe, expect, test } from 'vitest'
import type { Gossiped } from '#protocol/effects'
import { envelopeBytes } from '#protocol/envelope'
import { gossipNet, nodeName } from '#test/support/gossip-net'
import { alice, award, bid, request } from '#test/support/messages'

const sum = (values: Float64Array): number => values.reduce((total, value) => total + value, 0)
/** No larger than what IDONTWANT is sent for. */
const small = bid(request(), alice).bid
const [requestBytes, bidBytes] = [envelopeBytes.ProofRequest, envelopeBytes.Bid]

describe('a message that all accept', () => {
  test('is heard once by everybody but its publisher', () => {
    const net = gossipNet()
    net.publish(0, small)
    net.run(2_000)
    expect(net.heard.map(({ node }) => node).sort((a, b) => a - b)).toEqual(
      Array.from({ length: 59 }, (_, index) => index + 1),
    )
  })

  test('costs a copy for each way of the mesh but the one it came by', () => {
    expect(bidBytes).toBeLessThan(512)
    const net = gossipNet({ floodsBids: false })
    net.publish(0, small)
    net.run(900)
    const mesh = Array.from({ length: 60 }, (_, node) => net.network.mesh.peers(1, node).length)
    const sent = mesh.reduce((total, peers) => total + peers - 1, 0) + 1
    expect(sum(net.traffic.firsts) + sum(net.traffic.copies)).toBe(sent)
    expect(sum(net.links.sentBytes)).toBe(sent * (bidBytes + 120))
  })

  test('costs fewer copies when it is long: peers that have it say so', () => {
    expect(requestBytes).toBeGreaterThanOrEqual(512)
    const copies = (from: Gossiped): number => {
      const net = gossipNet({ floodsBids: false })
      net.publish(0, from)
      net.run(900)
      return sum(net.traffic.copies)
    }
    expect(copies(request())).toBeLessThan(0.99 * copies(small))
  })

  test('comes to a peer of its publisher in one way if it is a bid, whatever the mesh', () => {
    const one = { nodes: 40, dials: Array.from({ length: 39 }, (_, index) => [0, index + 1]) }
    const hops = (floodsBids: boolean): number => {
      const net = gossipNet({ ...one, dials: one.dials as [number, number][], floodsBids })
      net.publish(0, small)
      net.run(400)
      return net.heard.length
    }
    expect(hops(true)).toBe(39)
    expect(hops(false)).toBeLessThanOrEqual(13)
  })

  test('is not heard again for two minutes, whoever publishes it', () => {
    const net = gossipNet()
    net.publish(0, small)
    net.run(60_000)
    net.publish(1, small)
    net.run(30_000)
    expect(net.heard).toHaveLength(59)
    net.run(60_000)
    net.publish(1, small)
    net.run(2_000)
    expect(net.heard).toHaveLength(118)
  })
})

describe('a message that somebody does not accept', () => {
  test('goes no further, and rejecting costs its sender its place', () => {
    const net = gossipNet({ judge: () => ({ action: 'reject', code: 'MALFORMED' }) })
    const bids = Array.from({ length: 9 }, (_, nonce) =>
      bid(request({ nonce: BigInt(nonce) }), alice),
    )
    const before = net.network.mesh.peers(1, 0).length
    for (const each of bids) {
      net.publish(0, each.bid)
      net.run(1_000)
    }
    // Three at each of its peers; then none of them listens.
    const peers = net.graph.starts[1]! - net.graph.starts[0]!
    expect(net.heard.length).toBe(3 * peers)
    expect(before).toBeGreaterThan(0)
    expect(net.network.mesh.peers(1, 0)).toHaveLength(0)
  })

  test('that is ignored goes no further, and costs nothing', () => {
    const net = gossipNet({ judge: () => ({ action: 'ignore', code: 'BID_LATE' }) })
    net.publish(0, small)
    net.run(5_000)
    const peers = net.graph.starts[1]! - net.graph.starts[0]!
    expect(net.heard.length).toBe(peers)
    expect(net.traffic.refused.get('BID_LATE')).toBe(peers)
    expect(net.network.mesh.peers(1, 0).length).toBeGreaterThan(5)
  })

  test('of another length than its kind has is rejected unread', () => {
    const net = gossipNet()
    net.publish(0, small, 100_000)
    net.run(2_000)
    expect(net.heard).toEqual([])
    expect(net.traffic.refused.get('MALFORMED')).toBeGreaterThan(5)
  })

  test('that is held goes on once it is decided', () => {
    const held: string[] = []
    const net = gossipNet({
      judge: (node, { id }) => {
        held.push(nodeName(node))
        return { action: 'hold', holdId: id }
      },
    })
    net.publish(0, small)
    net.run(300)
    const first = held.length
    for (const name of held.splice(0) as `0x${string}`[])
      net.network.decide(name, small.id, 'accept')
    net.run(300)
    expect(held.length).toBeGreaterThan(0)
    expect(first + held.length).toBeLessThan(60)
  })
})

describe('a network with gaps', () => {
  test('heals at heartbeats: what was heard lately is offered outside of the mesh', () => {
    const net = gossipNet()
    const isCut = (node: number): boolean => node >= 30
    net.network.split(isCut)
    net.publish(0, small)
    net.run(1_000)
    expect(net.heard.every(({ node }) => !isCut(node))).toBe(true)
    net.network.split(() => false)
    net.run(4_000)
    expect(net.heard).toHaveLength(59)
  })

  test('offers without keeping the node from sending until it is asked', () => {
    // Nobody is in a mesh, so that a message comes by an offer alone, half of the way around.
    const mesh = { degree: 0, least: 0, most: 0, outbound: 0 }
    const regions = ['eu-west-2', 'ap-southeast-2']
    const net = gossipNet({ nodes: 2, mesh, regions, floodsBids: false, dials: [[0, 1]] })
    const [edge] = [net.graph.starts[0]!]
    net.publish(0, small)
    let slowest = 0
    while (net.heard.length === 0 && net.simulator.elapsedMs < 5_000) {
      net.run(10)
      const now = net.simulator.elapsedMs
      slowest = Math.max(slowest, net.links.send(edge, 1, now) - now)
    }
    expect(net.heard).toHaveLength(1)
    expect(net.links.oneWay(edge)).toBeGreaterThan(120)
    expect(slowest).toBeLessThan(1.5 * net.links.oneWay(edge))
  })

  test('reaches fewer when half of it says nothing, and more with more mesh peers', () => {
    const reach = (degree: number): number => {
      const mesh = { degree, least: degree - 1, most: degree + 2, outbound: 1 }
      const net = gossipNet({ nodes: 300, mesh, floodsBids: false })
      net.network.drops = (node) => node % 2 === 1
      net.publish(0, small)
      net.run(900)
      return net.heard.length / 299
    }
    expect(reach(2)).toBeLessThan(0.9)
    expect(reach(8)).toBeGreaterThan(0.97)
  })

  test('leaves out a node that is down, which hears again when it is back', () => {
    const net = gossipNet()
    net.network.setUp(5, false)
    net.publish(0, small)
    net.run(9_000)
    expect(net.heard.some(({ node }) => node === 5)).toBe(false)
    expect(net.traffic.reach.quantile(1)).toBe(1)
    net.network.setUp(5, true)
    net.publish(1, request())
    net.run(2_000)
    expect(net.heard.some(({ node }) => node === 5)).toBe(true)
  })

  test('carries over a stream only where there is a way', () => {
    const net = gossipNet()
    let arrived = 0
    const carry = (): boolean => net.network.carry(nodeName(1), nodeName(2), 10, () => arrived++)
    expect(carry()).toBe(true)
    net.network.split((node) => node === 2)
    expect(carry()).toBe(false)
    net.run(1_000)
    expect(arrived).toBe(1)
  })
})

test('a node’s core does one thing after the other', () => {
  const times = (validationMs: number): number[] => {
    const net = gossipNet({ nodes: 2, dials: [[0, 1]], validationMs })
    for (let nonce = 0; nonce < 20; nonce++)
      net.publish(0, bid(request({ nonce: BigInt(nonce) }), alice).bid)
    net.run(2_000)
    return net.heard.map(({ at }) => at)
  }
  const slow = times(50)
  expect(slow.at(-1)! - slow[0]!).toBeGreaterThan(19 * 50 - 1)
  const quick = times(0.1)
  expect(quick.at(-1)! - quick[0]!).toBeLessThan(10)
})

test('an award is a message as others are', () => {
  const net = gossipNet({ nodes: 12 })
  const of = request()
  net.publish(0, award(of, [bid(of, alice)]))
  net.run(1_000)
  expect(net.heard).toHaveLength(11)
})
