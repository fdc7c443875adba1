/**
 * A process that computes the witness of a circuit again and again, with the circuit loaded once:
 * what a test asks that spoils hundreds of inputs. `Circuit` starts one.
 */
import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { readFile } from 'node:fs/promises'
import { fileURLToPath } from 'node:url'
import { FIELD_ORDER } from '#protocol/field'
import type { CircuitInput } from '#prover-agent/circuits/witness'

/** What circom's WebAssembly exports. Numbers travel in eight words of 32 bits. */
type Exports = {
  init(sanityCheck: number): void
  getMessageChar(): number
  writeSharedRWMemory(word: number, value: number): void
  setInputSignal(nameHigh: number, nameLow: number, at: number): void
}

/** What Node has and its type declarations lack. */
const { WebAssembly } = globalThis as unknown as {
  WebAssembly: {
    instantiate(bytes: Uint8Array, imports: object): Promise<{ instance: { exports: Exports } }>
  }
}

/** A circuit that answers `accepted`, or where a constraint does not hold. */
export class Circuit {
  readonly #child: ChildProcess
  constructor(wasm: string) {
    const stdio = ['ignore', 'ignore', 'inherit', 'ipc'] as const
    this.#child = fork(fileURLToPath(import.meta.url), [wasm], { execArgv: [], stdio: [...stdio] })
  }

  async ask(input: CircuitInput): Promise<string> {
    const answered = once(this.#child, 'message')
    this.#child.send(input)
    const [answer] = (await answered) as [string]
    return answer
  }

  close(): void {
    this.#child.kill()
  }
}

/** FNV-1a of 64 bits: how circom names input signals. */
function nameHash(name: string): [high: number, low: number] {
  let hash = 0xcbf29ce484222325n
  for (const byte of new TextEncoder().encode(name)) {
    hash = ((hash ^ BigInt(byte)) * 0x100000001b3n) & 0xffffffffffffffffn
  }
  return [Number(hash >> 32n), Number(hash & 0xffffffffn)]
}

async function load(path: string): Promise<(input: CircuitInput) => void> {
  let messages: string[] = []
  const runtime = {
    exceptionHandler: (code: number) => {
      throw new Error(`${code === 4 ? 'Assert Failed' : `code ${code}`}: ${messages.join(', ')}`)
    },
    printErrorMessage: () => {
      let text = ''
      for (let next = circuit.getMessageChar(); next !== 0; next = circuit.getMessageChar()) {
        text += String.fromCharCode(next)
      }
      messages.push(text)
    },
    writeBufferMessage: () => {},
    showSharedRWMemory: () => {},
  }
  const { instance } = await WebAssembly.instantiate(await readFile(path), { runtime })
  const circuit = instance.exports
  return (input) => {
    messages = []
    circuit.init(0)
    for (const [name, values] of Object.entries(input)) {
      const flat = [values].flat(3) as string[]
      for (const [at, value] of flat.entries()) {
        let rest = BigInt(value)
        if (rest < 0n || rest >= FIELD_ORDER) throw new Error(`${name}: ${value} is no word`)
        for (let word = 0; word < 8; word++, rest >>= 32n) {
          circuit.writeSharedRWMemory(word, Number(rest & 0xffffffffn))
        }
        circuit.setInputSignal(...nameHash(name), at)
      }
    }
  }
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const compute = await load(process.argv[2] ?? '')
  process.on('message', (input: CircuitInput) => {
    let answer = 'accepted'
    try {
      compute(input)
    } catch (error) {
      answer = String(error)
    }
    process.send?.(answer)
  })
  process.on('disconnect', () => process.exit(0))
}
