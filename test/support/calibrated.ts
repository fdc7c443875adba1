/** How long proofs take here: measured by the first market of the tests, believed by the next. */

import { existsSync, statSync } from 'node:fs'
import { copyFile } from 'node:fs/promises'
import { join } from 'node:path'

const kept = join(import.meta.dirname, '../../build/test-calibration.json')
/** A machine is another one after a while: what else runs there, and how warm it is. ms. */
const GOOD_FOR_MS = 30 * 60_000

/** The file, while it is fresh; undefined lets a market measure. */
export const calibration = (): string | undefined =>
  existsSync(kept) && Date.now() - statSync(kept).mtimeMs < GOOD_FOR_MS ? kept : undefined

/** Keeps what a market's first prover measured. @param folder Of the market. */
export const keepCalibration = async (folder: string): Promise<void> => {
  if (calibration() === undefined) await copyFile(join(folder, 'prover-1/calibration.json'), kept)
}
