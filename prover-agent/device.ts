/**
 * Whether the device can be trusted with a bond. A failed proof ends bidding at once; a sample
 * proof that verifies, or a real one, begins it again.
 */
import type { Clock } from '#node/clock'

export type DevicePorts = {
  readonly clock: Clock
  /** Makes and verifies one proof nobody waits for. @throws Error that says what is wrong. */
  readonly probe: (signal: AbortSignal) => Promise<void>
  readonly onChange: (fault: string | null) => void
}

/** A device that overheated or lost its driver needs a while; doubled up to ten minutes. ms. */
const FIRST_PROBE_MS = 10_000
const LONGEST_PROBE_MS = 600_000

export class Device {
  readonly #ports: DevicePorts
  readonly #stop = new AbortController()
  #fault: string | null = null
  #waitMs = FIRST_PROBE_MS
  #cancel: (() => void) | null = null

  constructor(ports: DevicePorts) {
    this.#ports = ports
  }

  /** What was wrong last, or `null` when the device is well. */
  get fault(): string | null {
    return this.#fault
  }

  /** It failed: no more bids until it has proven something. */
  failed(reason: string): void {
    this.#set(reason)
    if (this.#cancel || this.#stop.signal.aborted) return
    const { clock } = this.#ports
    this.#cancel = clock.wake(clock.now() + this.#waitMs, () => void this.#probe())
    this.#waitMs = Math.min(2 * this.#waitMs, LONGEST_PROBE_MS)
  }

  /** It made a proof that verifies. */
  succeeded(): void {
    this.#waitMs = FIRST_PROBE_MS
    this.#cancel?.()
    this.#cancel = null
    this.#set(null)
  }

  /** Probes no more. */
  stop(): void {
    this.#stop.abort()
    this.#cancel?.()
  }

  async #probe(): Promise<void> {
    this.#cancel = null
    try {
      await this.#ports.probe(this.#stop.signal)
      this.succeeded()
    } catch (error) {
      this.failed(error instanceof Error ? error.message : String(error))
    }
  }

  #set(fault: string | null): void {
    if (fault === this.#fault) return
    this.#fault = fault
    this.#ports.onChange(fault)
  }
}
