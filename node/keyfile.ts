/**
 * Keys on disk: the account's (a hex file or Web3 Secret Storage version 3, the format of every
 * wallet) and the peer's seed. Nothing here logs or returns a secret but the key itself.
 */
import {
  createCipheriv,
  createDecipheriv,
  pbkdf2,
  randomBytes,
  randomUUID,
  timingSafeEqual,
} from 'node:crypto'
import { link, mkdir, open, readFile, rm, stat } from 'node:fs/promises'
import { dirname } from 'node:path'
import { promisify } from 'node:util'
import { scryptAsync } from '@noble/hashes/scrypt.js'
import type { Address } from '#protocol/schema'
import { accountOf, keccak } from '#protocol/signature'

export type KeyfileErrorCode =
  | 'MISSING'
  | 'UNREADABLE'
  | 'NOT_A_KEY'
  | 'NO_PASSWORD'
  | 'WRONG_PASSWORD'
  | 'EXISTS'

/** Names the file, what is wrong with it and what to do. */
export class KeyfileError extends Error {
  readonly code: KeyfileErrorCode
  constructor(code: KeyfileErrorCode, message: string, options?: ErrorOptions) {
    super(message, options)
    this.name = 'KeyfileError'
    this.code = code
  }
}

export type Account = {
  readonly address: Address
  /** 32 bytes. */
  readonly privateKey: Uint8Array
  /** What the operator should hear, for example that others can read the file. */
  readonly warnings: readonly string[]
}

export type PasswordSource = {
  /** The password itself (from the environment: `PROOFWIRE_PASSWORD`). */
  readonly password?: string
  /** A file whose first line is the password. */
  readonly passwordFile?: string
}

/** A key file is under 1 kB; anything much larger is another file. Bytes. */
const MAX_FILE_BYTES = 64 * 1024
/** geth's standard cost: about a second and 256 MiB for each guess. */
const SCRYPT_N = 262_144
const SCRYPT_R = 8
const SCRYPT_P = 1
/** More than any wallet asks for; a crafted file must not take the machine's memory. Bytes. */
const MAX_SCRYPT_BYTES = 1024 * 1024 * 1024
const MAX_PBKDF2_ROUNDS = 10_000_000
const KEY_BYTES = 32

const pbkdf2Async = promisify(pbkdf2)

/**
 * Reads an account's key: a file of 64 hex digits, or a version 3 keystore, for which a password is
 * needed. Throws `KeyfileError`.
 */
export async function loadAccount(path: string, source: PasswordSource = {}): Promise<Account> {
  const { text, warnings } = await readSecret(path, 'Set keyFile to your key, or make one')
  const hex = /^(?:0x)?([0-9a-fA-F]{64})$/.exec(text.trim())?.[1]
  if (hex !== undefined) return account(path, Buffer.from(hex, 'hex'), warnings)
  const keystore = parseKeystore(path, text)
  const password = await readPassword(path, source)
  return account(path, await decrypt(path, keystore, password.text), [
    ...warnings,
    ...password.warnings,
  ])
}

/**
 * Encrypts a key with the password and writes it, readable by its owner only. Never overwrites a
 * file: throws `KeyfileError` `EXISTS`. `scryptN` is lowered by tests alone.
 */
export async function createKeyfile(
  path: string,
  privateKey: Uint8Array,
  password: string,
  options: { readonly scryptN?: number } = {},
): Promise<Address> {
  const { address } = account(path, privateKey, [])
  const salt = randomBytes(32)
  const iv = randomBytes(16)
  const n = options.scryptN ?? SCRYPT_N
  const kdfparams = { dklen: 32, n, r: SCRYPT_R, p: SCRYPT_P, salt: salt.toString('hex') }
  const derived = await deriveScrypt(password, salt, n, SCRYPT_R, SCRYPT_P)
  const cipher = createCipheriv('aes-128-ctr', derived.subarray(0, 16), iv)
  const ciphertext = Buffer.concat([cipher.update(privateKey), cipher.final()])
  const keystore = {
    version: 3,
    id: randomUUID(),
    address: address.slice(2).toLowerCase(),
    crypto: {
      cipher: 'aes-128-ctr',
      cipherparams: { iv: iv.toString('hex') },
      ciphertext: ciphertext.toString('hex'),
      kdf: 'scrypt',
      kdfparams,
      mac: macOf(derived, ciphertext),
    },
  }
  await writeSecret(path, `${JSON.stringify(keystore, null, 2)}\n`)
  return address
}

/**
 * The 32 byte Ed25519 seed behind this node's peer id; made at the first run. Whoever loses it gets
 * a new peer id and loses no money. Throws `KeyfileError`.
 */
export async function loadPeerSeed(path: string): Promise<Uint8Array> {
  const exists = await stat(path).then(
    () => true,
    () => false,
  )
  if (!exists) await writeSecret(path, `${randomBytes(KEY_BYTES).toString('hex')}\n`)
  const { text } = await readSecret(path, 'Start again')
  if (/^[0-9a-f]{64}$/.test(text.trim())) return new Uint8Array(Buffer.from(text.trim(), 'hex'))
  const advice = 'Delete it to get a new peer id'
  throw new KeyfileError('NOT_A_KEY', `${path} is not a peer key of 64 hex digits. ${advice}.`)
}

function account(path: string, privateKey: Uint8Array, warnings: readonly string[]): Account {
  try {
    return { address: accountOf(privateKey), privateKey: new Uint8Array(privateKey), warnings }
  } catch (cause) {
    const what = `${path} holds a number that is not a private key of secp256k1`
    throw new KeyfileError('NOT_A_KEY', `${what}. Use another file.`, { cause })
  }
}

type Keystore = {
  readonly derive: (password: string) => Promise<Buffer>
  readonly iv: Buffer
  readonly ciphertext: Buffer
  readonly mac: string
}

function parseKeystore(path: string, text: string): Keystore {
  const bad = (what: string): KeyfileError =>
    new KeyfileError(
      'NOT_A_KEY',
      `${path} is not a key: ${what}. Use a file of 64 hex digits or a Web3 keystore (version 3).`,
    )
  let parsed: unknown
  try {
    parsed = JSON.parse(text)
  } catch {
    throw bad('neither hex nor JSON')
  }
  const field = (holder: unknown, name: string): unknown => {
    const entries = typeof holder === 'object' && holder !== null ? Object.entries(holder) : []
    // Old wallets write `Crypto`.
    return entries.find(([key]) => key.toLowerCase() === name)?.[1]
  }
  const hex = (value: unknown, name: string, bytes?: number): Buffer => {
    const digits = typeof value === 'string' ? value.replace(/^0x/, '') : ''
    const isHex = /^([0-9a-fA-F]{2})+$/.test(digits)
    if (!isHex || (bytes !== undefined && digits.length !== 2 * bytes)) throw bad(`bad ${name}`)
    return Buffer.from(digits, 'hex')
  }
  const count = (value: unknown, name: string, most: number): number => {
    const isCount =
      typeof value === 'number' && Number.isInteger(value) && value >= 1 && value <= most
    if (!isCount) throw bad(`bad ${name}`)
    return value
  }
  if (field(parsed, 'version') !== 3) throw bad('the version is not 3')
  const sealed = field(parsed, 'crypto')
  if (field(sealed, 'cipher') !== 'aes-128-ctr') throw bad('the cipher is not aes-128-ctr')
  const params = field(sealed, 'kdfparams')
  const salt = hex(field(params, 'salt'), 'salt')
  if (field(params, 'dklen') !== 32) throw bad('dklen is not 32')
  const kdf = field(sealed, 'kdf')
  let derive: Keystore['derive']
  if (kdf === 'scrypt') {
    const n = count(field(params, 'n'), 'n', 2 ** 30)
    const r = count(field(params, 'r'), 'r', 1024)
    const p = count(field(params, 'p'), 'p', 1024)
    const isPower = Number.isInteger(Math.log2(n)) && n > 1
    if (!isPower || 128 * n * r > MAX_SCRYPT_BYTES || 128 * r * p > MAX_SCRYPT_BYTES) {
      throw bad('its scrypt parameters are out of bounds')
    }
    derive = (password) => deriveScrypt(password, salt, n, r, p)
  } else if (kdf === 'pbkdf2') {
    const rounds = count(field(params, 'c'), 'c', MAX_PBKDF2_ROUNDS)
    if (field(params, 'prf') !== 'hmac-sha256') throw bad('prf is not hmac-sha256')
    derive = (password) => pbkdf2Async(password, salt, rounds, 32, 'sha256')
  } else throw bad('kdf is neither scrypt nor pbkdf2')
  return {
    derive,
    iv: hex(field(field(sealed, 'cipherparams'), 'iv'), 'iv', 16),
    ciphertext: hex(field(sealed, 'ciphertext'), 'ciphertext', KEY_BYTES),
    mac: hex(field(sealed, 'mac'), 'mac', 32).toString('hex'),
  }
}

async function decrypt(path: string, keystore: Keystore, password: string): Promise<Buffer> {
  const derived = await keystore.derive(password)
  const mac = Buffer.from(macOf(derived, keystore.ciphertext), 'hex')
  if (!timingSafeEqual(mac, Buffer.from(keystore.mac, 'hex'))) {
    const advice = 'Check PROOFWIRE_PASSWORD or passwordFile'
    throw new KeyfileError('WRONG_PASSWORD', `The password does not open ${path}. ${advice}.`)
  }
  const decipher = createDecipheriv('aes-128-ctr', derived.subarray(0, 16), keystore.iv)
  return Buffer.concat([decipher.update(keystore.ciphertext), decipher.final()])
}

/**
 * Of Web3 Secret Storage: keccak256(second half of the derived key ‖ ciphertext), hex without `0x`.
 */
const macOf = (derived: Buffer, ciphertext: Buffer): string =>
  keccak(Buffer.concat([derived.subarray(16, 32), ciphertext])).slice(2)

/**
 * node:crypto refuses costs that the format's own example has, so this is the JavaScript one: a
 * second, once.
 */
async function deriveScrypt(password: string, salt: Buffer, N: number, r: number, p: number) {
  const maxmem = 128 * r * (N + p + 1)
  return Buffer.from(await scryptAsync(password, salt, { N, r, p, dkLen: 32, maxmem }))
}

async function readPassword(path: string, source: PasswordSource) {
  if (source.password !== undefined) return { text: source.password, warnings: [] }
  if (source.passwordFile === undefined) {
    const advice = 'Set PROOFWIRE_PASSWORD, or passwordFile to a file that holds it'
    throw new KeyfileError('NO_PASSWORD', `${path} needs a password. ${advice}.`)
  }
  const { text, warnings } = await readSecret(source.passwordFile, 'Set passwordFile')
  return { text: text.split(/\r?\n/, 1)[0] ?? '', warnings }
}

async function readSecret(path: string, advice: string) {
  try {
    const { size, mode } = await stat(path)
    if (size > MAX_FILE_BYTES) {
      throw new KeyfileError('NOT_A_KEY', `${path} is too large for a key. Use another file.`)
    }
    const text = await readFile(path, 'utf8')
    // Windows has no such bits.
    const isOpen = process.platform !== 'win32' && (mode & 0o077) !== 0
    const warnings = isOpen ? [`others can read ${path}; run: chmod 600 ${path}`] : []
    return { text, warnings }
  } catch (cause) {
    if (cause instanceof KeyfileError) throw cause
    const code = (cause as NodeJS.ErrnoException).code
    if (code === 'ENOENT') {
      throw new KeyfileError('MISSING', `There is no file ${path}. ${advice}.`, { cause })
    }
    const what = `Cannot read ${path} (${code})`
    throw new KeyfileError('UNREADABLE', `${what}. Check its owner and mode.`, { cause })
  }
}

/** Makes the file with mode 0600, all of it or none; an existing one stays as it is. */
async function writeSecret(path: string, text: string): Promise<void> {
  const draft = `${path}.${randomBytes(4).toString('hex')}.tmp`
  try {
    await mkdir(dirname(path), { recursive: true, mode: 0o700 })
    const file = await open(draft, 'wx', 0o600)
    try {
      await file.writeFile(text)
      await file.sync()
    } finally {
      await file.close()
    }
    // Unlike a rename, a link fails when the name is taken.
    await link(draft, path)
  } catch (cause) {
    const code = (cause as NodeJS.ErrnoException).code
    if (code === 'EEXIST') {
      throw new KeyfileError('EXISTS', `${path} exists. Choose another name.`, { cause })
    }
    const what = `Cannot write ${path} (${code})`
    throw new KeyfileError('UNREADABLE', `${what}. Check the folder's owner and mode.`, { cause })
  } finally {
    await rm(draft, { force: true })
  }
}
