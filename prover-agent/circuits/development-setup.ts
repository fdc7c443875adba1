// SPDX-License-Identifier: GPL-3.0-or-later
/**
 * Makes a development proving key straight from an `.r1cs`:
 *
 *     node development-setup.ts circuit.r1cs circuit.zkey verification-key.json <word count>
 *
 * INSECURE BY DESIGN. The trapdoor is written below, so whoever reads this file can prove anything
 * under the key. In exchange every machine makes the same bytes, in seconds instead of the
 * ceremony's minutes. The key relations are those of Groth16 (EUROCRYPT 2016, section 3.2) with
 * gamma = 1, as snarkjs has them.
 */
import { createHash } from 'node:crypto'
import { readFileSync, writeFileSync } from 'node:fs'
import { FIELD_ORDER } from '#protocol/field'
import { encodeZkey, type ProvingKey, type R1cs, readR1cs } from './binary-files.ts'
import { coordinates, fixedBase, loadCurve } from './fixed-base.ts'

const mod = (value: bigint): bigint => ((value % FIELD_ORDER) + FIELD_ORDER) % FIELD_ORDER

function power(base: bigint, exponent: bigint): bigint {
  let result = 1n
  for (let square = base, rest = exponent; rest > 0n; rest >>= 1n) {
    if (rest & 1n) result = (result * square) % FIELD_ORDER
    square = (square * square) % FIELD_ORDER
  }
  return result
}

const inverse = (value: bigint): bigint => power(value, FIELD_ORDER - 2n)

/** The publicly known secret of one name. */
function trapdoor(name: string): bigint {
  const seed = `proofwire insecure development key: ${name}`
  return BigInt(`0x${createHash('sha512').update(seed).digest('hex')}`) % FIELD_ORDER
}
const [tau, alpha, beta, delta] = ['tau', 'alpha', 'beta', 'delta'].map(trapdoor) as [
  ...[bigint, bigint, bigint, bigint],
]

/**
 * Generator of the roots of unity of order 2^28: 5 is the least non-residue, as in ffjavascript.
 */
const ROOT_28 = power(5n, (FIELD_ORDER - 1n) >> 28n)
const rootOfUnity = (log: number): bigint => power(ROOT_28, 1n << BigInt(28 - log))

/**
 * Lagrange polynomials of the domain of 2^log roots of unity w^i, evaluated at tau, for i = first,
 * first + step, …: L_i(tau) = (tau^n − 1) / n · w^i / (tau − w^i).
 */
function lagrange(log: number, first: number, step: number): bigint[] {
  const size = 1n << BigInt(log)
  const root = rootOfUnity(log)
  const stride = power(root, BigInt(step))
  const factor = (mod(power(tau, size) - 1n) * inverse(size)) % FIELD_ORDER
  const roots: bigint[] = []
  for (let i = first, w = power(root, BigInt(first)); i < Number(size); i += step) {
    roots.push(w)
    w = (w * stride) % FIELD_ORDER
  }
  const inverses = inverseAll(roots.map((w) => mod(tau - w)))
  return roots.map((w, index) => (((w * inverses[index]!) % FIELD_ORDER) * factor) % FIELD_ORDER)
}

/** All inverses for the price of one (Montgomery's trick). None may be zero. */
function inverseAll(values: readonly bigint[]): bigint[] {
  const products = [1n]
  for (const value of values) products.push((products.at(-1)! * value) % FIELD_ORDER)
  let rest = inverse(products.at(-1)!)
  const result: bigint[] = []
  for (let index = values.length - 1; index >= 0; index--) {
    result.push((products[index]! * rest) % FIELD_ORDER)
    rest = (rest * values[index]!) % FIELD_ORDER
  }
  return result.reverse()
}

/** The constraint polynomials of every wire at tau, and the matrix entries the prover needs. */
function evaluateAtTau({ wireCount, publicCount, constraints }: R1cs, points: readonly bigint[]) {
  const zeros = () => Array.from({ length: wireCount }, () => 0n)
  const [a, b, c] = [zeros(), zeros(), zeros()]
  const coefficients: ProvingKey['coefficients'][number][] = []
  constraints.forEach((constraint, row) => {
    constraint.forEach((terms, matrix) => {
      const sums = matrix === 0 ? a : matrix === 1 ? b : c
      for (const [wire, coefficient] of terms) {
        sums[wire] = (sums[wire]! + coefficient * points[row]!) % FIELD_ORDER
        if (matrix < 2) coefficients.push([matrix as 0 | 1, row, wire, coefficient])
      }
    })
  })
  // One row each makes the public wires independent of each other, or proofs could be changed.
  for (let wire = 0; wire <= publicCount; wire++) {
    const row = constraints.length + wire
    a[wire] = (a[wire]! + points[row]!) % FIELD_ORDER
    coefficients.push([0, row, wire, 1n])
  }
  return { a, b, c, coefficients }
}

async function main([r1csPath, zkeyPath, keyPath, wordCount]: string[]) {
  const r1cs = readR1cs(readFileSync(r1csPath!))
  const { wireCount, publicCount, constraints } = r1cs
  const log = Math.ceil(Math.log2(constraints.length + publicCount + 1))
  const { a, b, c, coefficients } = evaluateAtTau(r1cs, lagrange(log, 0, 1))
  const overDelta = inverse(delta)
  const combined = a.map((value, wire) => mod(beta * value + alpha * b[wire]! + c[wire]!))
  const scaled = (values: readonly bigint[]) =>
    values.map((value) => (value * overDelta) % FIELD_ORDER)

  const curve = await loadCurve()
  const g1 = fixedBase(curve, 'G1')
  const g2 = fixedBase(curve, 'G2')
  const key: ProvingKey = {
    wireCount,
    publicCount,
    domainSize: 2 ** log,
    alpha1: g1([alpha]),
    beta1: g1([beta]),
    beta2: g2([beta]),
    gamma2: g2([1n]),
    delta1: g1([delta]),
    delta2: g2([delta]),
    ic: g1(combined.slice(0, publicCount + 1)),
    coefficients,
    a: g1(a),
    b1: g1(b),
    b2: g2(b),
    c: g1(scaled(combined.slice(publicCount + 1))),
    // The quotient is divided on the odd half of the domain twice as large; these carry it back.
    h: g1(scaled(lagrange(log + 1, 1, 2))),
  }
  writeFileSync(zkeyPath!, encodeZkey(key))

  const verificationKey = {
    protocol: 'groth16',
    curve: 'bn128',
    nPublic: publicCount,
    wordCount: Number(wordCount),
    vk_alpha_1: g1Json(key.alpha1),
    vk_beta_2: g2Json(key.beta2),
    vk_gamma_2: g2Json(key.gamma2),
    vk_delta_2: g2Json(key.delta2),
    IC: Array.from({ length: publicCount + 1 }, (_, i) =>
      g1Json(key.ic.subarray(64 * i, 64 * i + 64)),
    ),
  }
  writeFileSync(keyPath!, `${JSON.stringify(verificationKey, null, 2)}\n`)
}

const g1Json = (point: Buffer) => [...coordinates(point).map(String), '1']

function g2Json(point: Buffer) {
  const [x0, x1, y0, y1] = coordinates(point).map(String)
  return [
    [x0, x1],
    [y0, y1],
    ['1', '0'],
  ]
}

await main(process.argv.slice(2))
