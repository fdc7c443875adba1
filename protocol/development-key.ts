/**
 * Keys whose trapdoor is known to everybody, told by their points. Whoever knows a trapdoor can
 * prove anything under the key, so such a key is insecure whatever is written beside it.
 */
import { type G1, type G2, programId, type VerificationKey } from './proof.ts'

/** alpha in G1 of every development key, whatever its circuit. */
export const DEVELOPMENT_ALPHA: G1 = [
  8365119302508929448663296403906744260959129599295872768703582180683266138485n,
  13927571585896378658372378887074425240615960814407878742514619552505801855645n,
]

/** delta in G2 of every development key: x imaginary, x real, y imaginary, y real. */
export const DEVELOPMENT_DELTA: G2 = [
  17457068957232336474798393061772733934331782279698415457578127358010571268863n,
  19738459428339441781239597530561307685684840351752363197444780139907401511537n,
  17340756315920472854226739819026925284250732792632078483820330679218027330622n,
  9388247728815703992235512541299212424710593492063978256392442975415555146219n,
]

/** The generators of both groups (EIP-197): a point that is one has the secret 1. */
export const GENERATOR_1: G1 = [1n, 2n]
export const GENERATOR_2: G2 = [
  11559732032986387107991004021392285783925812861821192530917403151452391805634n,
  10857046999023057135944570762232829481370756359578518086990519993285655852781n,
  4082367875863433681332203403145435568316851327593401208105741076214120093531n,
  8495653923123431417604973247489272438418190587263600148770280649306958101930n,
]

const isSame = (a: readonly bigint[], b: readonly bigint[]): boolean =>
  a.every((coordinate, index) => coordinate === b[index])

/**
 * Whether a key's alpha or delta comes from the published development trapdoor. Either is enough:
 * delta alone lets its owner forge.
 */
export const isDevelopmentKey = ({ alpha, delta }: Pick<VerificationKey, 'alpha' | 'delta'>) =>
  isSame(alpha, DEVELOPMENT_ALPHA) || isSame(delta, DEVELOPMENT_DELTA)

/**
 * Whether nobody has contributed to one of the key's two phases, so that a secret of it is the
 * number 1.
 */
export const isUncontributedKey = ({
  alpha,
  beta,
  delta,
}: Pick<VerificationKey, 'alpha' | 'beta' | 'delta'>) =>
  isSame(alpha, GENERATOR_1) || isSame(beta, GENERATOR_2) || isSame(delta, GENERATOR_2)

/**
 * Why money must not rest on a key, or null when it may. A key is insecure unless what is written
 * beside it says otherwise of this very key, and no key with a known trapdoor is ever secure. This
 * believes the ceremony that `meta` speaks of; `proofwire keys verify` checks one.
 *
 * @param meta What `meta.json` beside the key holds; `undefined` when there is none.
 */
export function whyInsecure(key: VerificationKey, meta: unknown): string | null {
  if (isDevelopmentKey(key)) return 'its trapdoor is the published development trapdoor'
  if (isUncontributedKey(key))
    return 'nobody has contributed to it, so its trapdoor is the number 1'
  if (typeof meta !== 'object' || meta === null) return 'no meta.json says that it is secure'
  const { insecure, programId: named } = meta as Record<string, unknown>
  if (insecure !== false) return 'its meta.json does not say "insecure": false'
  return named === programId(key) ? null : 'its meta.json is about another key'
}
