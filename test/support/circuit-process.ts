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
  getWitnessSize(): number
  getWitness(wire: number): void
  readSharedRWMemory(word: number): number
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

/** Words of 32 bits in a number. */
const WORDS = 8

type Question = { readonly input: CircuitInput; readonly of: 'none' | 'all' | readonly number[] }
type Answer = string | Uint32Array

/** A circuit that answers `accepted`, or where a constraint does not hold. */
export class Circuit {
  readonly #child: ChildProcess
  constructor(wasm: string) {
    this.#child = fork(fileURLToPath(import.meta.url), [wasm], {
      execArgv: [],
      stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
      serialization: 'advanced',
    })
  }

  async ask(input: CircuitInput): Promise<string> {
    return (await this.#send({ input, of: 'none' })) as string
  }

  /**
   * Values of wires, in order; by default of all, the constant one first.
   * @throws Error where a constraint does not hold.
   */
  async wires(input: CircuitInput, of: 'all' | readonly number[] = 'all'): Promise<bigint[]> {
    const answer = await this.#send({ input, of })
    if (typeof answer === 'string') throw new Error(answer)
    const wires: bigint[] = []
    for (let at = 0; at < answer.length; at += WORDS) {
      let value = 0n
      for (let word = WORDS - 1; word >= 0; word--)
        value = (value << 32n) | BigInt(answer[at + word]!)
      wires.push(value)
    }
    return wires
  }

  async #send(question: Question): Promise<Answer> {
    const answered = once(this.#child, 'message')
    this.#child.send(question)
    const [answer] = (await answered) as [Answer]
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

async function load(path: string) {
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
  const wires = (of: 'all' | readonly number[]): Uint32Array => {
    const asked = of === 'all' ? [...Array(circuit.getWitnessSize()).keys()] : of
    const values = new Uint32Array(asked.length * WORDS)
    for (let at = 0; at < values.length; at++) {
      if (at % WORDS === 0) circuit.getWitness(asked[at / WORDS]!)
      values[at] = circuit.readSharedRWMemory(at % WORDS)
    }
    return values
  }
  const compute = (input: CircuitInput): void => {
    messages = []
    circuit.init(0)
    for (const [name, values] of Object.entries(input)) {
      const flat = [values].flat(3) as string[]
      for (const [at, value] of flat.entries()) {
        let rest = BigInt(value)
        if (rest < 0n || rest >= FIELD_ORDER) throw new Error(`${name}: ${value} is no word`)
        for (let word = 0; word < WORDS; word++, rest >>= 32n) {
          circuit.writeSharedRWMemory(word, Number(rest & 0xffffffffn))
        }
        circuit.setInputSignal(...nameHash(name), at)
      }
    }
  }
  return { compute, wires }
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const { compute, wires } = await load(process.argv[2] ?? '')
  process.on('message', ({ input, of }: Question) => {
    let answer: Answer = 'accepted'
    try {
      compute(input)
      if (of !== 'none') answer = wires(of)
    } catch (error) {
      answer = String(error)
    }
    process.send?.(answer)
  })
  process.on('disconnect', () => process.exit(0))
}
