/** What keeps an agent from starting and a person can mend. */
export type AgentErrorCode =
  /** A file of the agent is not what it wrote. */
  | 'FILE'
  /** A circuit's key files are not there, and nothing here can make them. */
  | 'KEYS'
  /** The device's proofs do not verify. */
  | 'DEVICE'

/** Says what was wrong and what to do. */
export class AgentError extends Error {
  override readonly name = 'AgentError'
  readonly code: AgentErrorCode

  constructor(code: AgentErrorCode, message: string, options?: ErrorOptions) {
    super(message, options)
    this.code = code
  }
}
