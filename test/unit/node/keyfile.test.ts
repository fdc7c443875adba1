import { chmod, mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { createKeyfile, loadAccount, loadPeerSeed } from '#node/keyfile'

let folder: string
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'proofwire-key-'))
})
afterEach(() => rm(folder, { recursive: true }))

const save = async (name: string, text: string, mode = 0o600): Promise<string> => {
  const path = join(folder, name)
  await writeFile(path, text, { mode })
  return path
}

// The two examples of the Web3 Secret Storage definition.
const secret = '7a28b5ba57c53603b0b07b56bba752f7784bf506fa95edc395f5cf6c7514fe9d'
const address = '0x008aeeda4d805471df9b2a5b0f38a0c3bcba786b'
const password = 'testpassword'
const withPbkdf2 = {
  crypto: {
    cipher: 'aes-128-ctr',
    cipherparams: { iv: '6087dab2f9fdbbfaddc31a909735c1e6' },
    ciphertext: '5318b4d5bcd28de64ee5559e671353e16f075ecae9f99c7a79a38af5f869aa46',
    kdf: 'pbkdf2',
    kdfparams: {
      c: 262144,
      dklen: 32,
      prf: 'hmac-sha256',
      salt: 'ae3cd4e7013836a3df6bd7241b12db061dbe2c6785853cce422d148a624ce0bd',
    },
    mac: '517ead924a9d0dc3124507e3393d175ce3ff7c1e96529c6c555ce9e51205e9b2',
  },
  id: '3198bc9c-6672-5ab3-d995-4942343ae5b6',
  version: 3,
}
const withScrypt = {
  crypto: {
    cipher: 'aes-128-ctr',
    cipherparams: { iv: '83dbcc02d8ccb40e466191a123791e0e' },
    ciphertext: 'd172bf743a674da9cdad04534d56926ef8358534d458fffccd4e6ad2fbde479c',
    kdf: 'scrypt',
    kdfparams: {
      dklen: 32,
      n: 262144,
      p: 8,
      r: 1,
      salt: 'ab0c7876052600dd703518d6fc3fe8984592145b591fc8fb5c6d43190334ba19',
    },
    mac: '2103ac29920d71da29f15d75b4a16dbe95cfd7ff8faea1056c33131d846e3097',
  },
  id: '3198bc9c-6672-5ab3-d995-4942343ae5b6',
  version: 3,
}
const hexOf = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex')

describe('account key', () => {
  test('a file of 64 hex digits is a key, with or without 0x and line end', async () => {
    for (const text of [secret, `0x${secret}\n`, `  ${secret.toUpperCase()}\r\n`]) {
      const account = await loadAccount(await save('key', text))
      expect(account.address).toBe(address)
      expect(hexOf(account.privateKey)).toBe(secret)
      expect(account.warnings).toEqual([])
    }
  })

  test('the keystores of the definition open with their password', async () => {
    for (const keystore of [withPbkdf2, withScrypt]) {
      const path = await save('keystore', JSON.stringify(keystore))
      const account = await loadAccount(path, { password })
      expect(hexOf(account.privateKey)).toBe(secret)
      expect(account.address).toBe(address)
    }
  })

  test('the password can come from the first line of a file', async () => {
    const path = await save('keystore', JSON.stringify(withPbkdf2))
    const passwordFile = await save('password', `${password}\r\nsecond line\n`)
    expect((await loadAccount(path, { passwordFile })).address).toBe(address)
  })

  test('a file others can read is used with a warning that says what to do', async () => {
    const path = await save('key', secret)
    await chmod(path, 0o644)
    expect((await loadAccount(path)).warnings).toEqual([expect.stringContaining('chmod 600')])
  })

  test('a missing file, a wrong password, a missing password each say what to do', async () => {
    const path = await save('keystore', JSON.stringify(withPbkdf2))
    await expect(loadAccount(join(folder, 'none'))).rejects.toMatchObject({
      code: 'MISSING',
      message: expect.stringMatching(/There is no file .*none.*keyFile/),
    })
    await expect(loadAccount(path, { password: 'other' })).rejects.toMatchObject({
      code: 'WRONG_PASSWORD',
      message: expect.stringContaining('PROOFWIRE_PASSWORD'),
    })
    await expect(loadAccount(path)).rejects.toMatchObject({
      code: 'NO_PASSWORD',
      message: expect.stringContaining('passwordFile'),
    })
    await expect(loadAccount(path, { passwordFile: join(folder, 'none') })).rejects.toMatchObject({
      code: 'MISSING',
      message: expect.stringContaining('passwordFile'),
    })
  })

  test('what is no key is refused, and says what would be', async () => {
    const without = (change: object) => JSON.stringify({ ...withPbkdf2, ...change })
    const params = (change: object) =>
      without({
        crypto: { ...withScrypt.crypto, kdfparams: { ...withScrypt.crypto.kdfparams, ...change } },
      })
    const bad = [
      '',
      'hello',
      secret.slice(1),
      '0'.repeat(64),
      'f'.repeat(64),
      '[]',
      'null',
      without({ version: 1 }),
      without({ crypto: null }),
      without({ crypto: { ...withPbkdf2.crypto, cipher: 'aes-256-gcm' } }),
      without({ crypto: { ...withPbkdf2.crypto, kdf: 'md5' } }),
      without({ crypto: { ...withPbkdf2.crypto, mac: '00' } }),
      params({ n: 2 ** 30 }),
      params({ n: 1000 }),
      params({ r: 0 }),
      params({ r: 2 ** 20, n: 2 }),
      params({ dklen: 64 }),
      'x'.repeat(100_000),
    ]
    for (const text of bad) {
      const loading = loadAccount(await save('bad', text), { password })
      await expect(loading, text.slice(0, 80)).rejects.toMatchObject({ code: 'NOT_A_KEY' })
    }
  })

  test('a key written with a password is read with it, by its owner only', async () => {
    const path = join(folder, 'new', 'key.json')
    const key = Buffer.from(secret, 'hex')
    expect(await createKeyfile(path, key, 'pässword', { scryptN: 1024 })).toBe(address)
    expect((await stat(path)).mode & 0o777).toBe(0o600)
    expect(await readFile(path, 'utf8')).not.toContain(secret)
    const account = await loadAccount(path, { password: 'pässword' })
    expect(hexOf(account.privateKey)).toBe(secret)
    await expect(loadAccount(path, { password: 'password' })).rejects.toMatchObject({
      code: 'WRONG_PASSWORD',
    })
  })

  test('a key file is never overwritten', async () => {
    const path = await save('key', secret)
    const other = Buffer.alloc(32, 7)
    await expect(createKeyfile(path, other, 'p', { scryptN: 1024 })).rejects.toMatchObject({
      code: 'EXISTS',
    })
    expect(await readFile(path, 'utf8')).toBe(secret)
    expect(await readdir(folder)).toEqual(['key'])
  })
})

describe('peer seed', () => {
  test('is made once, for its owner only, and read ever after', async () => {
    const path = join(folder, 'data', 'peer.key')
    const seed = await loadPeerSeed(path)
    expect(seed).toHaveLength(32)
    expect((await stat(path)).mode & 0o777).toBe(0o600)
    expect(await loadPeerSeed(path)).toEqual(seed)
    expect(await loadPeerSeed(join(folder, 'other.key'))).not.toEqual(seed)
  })

  test('a file that holds something else is refused, and left alone', async () => {
    const path = await save('peer.key', 'hello')
    await expect(loadPeerSeed(path)).rejects.toMatchObject({
      code: 'NOT_A_KEY',
      message: expect.stringContaining('Delete it'),
    })
    expect(await readFile(path, 'utf8')).toBe('hello')
  })
})
