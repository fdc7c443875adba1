/** A table as a file: its canonical bytes, the same as hex digits, or an envelope. */
import { readFile } from 'node:fs/promises'
import { type Envelope, parseEnvelope } from '#protocol/commitment'
import { fromHex } from '#protocol/field'
import type { Hex } from '#protocol/schema'
import { decodeTable, type Table, tableDigest } from '#protocol/table'

/** The file holds no table. The message names it and says what it should hold. */
export class TableFileError extends Error {
  override readonly name = 'TableFileError'
  readonly code = 'TABLE_FILE'
}

export type TableFile = {
  readonly table: Table
  /** Canonical bytes, and their SHA-256. */
  readonly bytes: Uint8Array
  readonly digest: Hex
  /** What the file says besides; `null` when it is the table alone. */
  readonly envelope: Envelope | null
}

const FORMS = 'canonical bytes, the same as hex digits, or an envelope (JSON)'

/** Reads a file in any of its forms. @throws TableFileError */
export async function readTableFile(file: string): Promise<TableFile> {
  const content = await readFile(file).catch((cause: NodeJS.ErrnoException) => {
    const what = `Cannot read ${file} (${cause.code ?? cause.message})`
    throw new TableFileError(`${what}. Give a file of ${FORMS}.`, { cause })
  })
  const text = content.toString('latin1').trim()
  if (text.startsWith('{')) return fromEnvelope(file, content.toString('utf8'))
  const isHex = /^(?:0x)?(?:[0-9a-fA-F]{2})+$/.test(text)
  const bytes = isHex ? fromHex(`0x${text.replace(/^0x/, '')}`) : new Uint8Array(content)
  return { ...decoded(file, bytes), envelope: null }
}

function fromEnvelope(file: string, text: string): TableFile {
  const envelope = parseEnvelope(text)
  if ('refused' in envelope)
    throw new TableFileError(`${file} is no envelope of a table: ${envelope.refused}.`)
  return { ...decoded(file, fromHex(envelope.proofwire.observation)), envelope }
}

function decoded(file: string, bytes: Uint8Array): Omit<TableFile, 'envelope'> {
  const table = decodeTable(bytes)
  if (table !== null) return { table, bytes, digest: tableDigest(bytes) }
  throw new TableFileError(`${file} holds no table: it should hold ${FORMS}.`)
}
