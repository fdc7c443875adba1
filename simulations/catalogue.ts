/** Every scenario there is. */
import type { Scenario } from './scenario.ts'
import { baseline } from './scenarios/baseline.ts'
import { bidWithholding } from './scenarios/bid-withholding.ts'
import { burst } from './scenarios/burst.ts'
import { churn } from './scenarios/churn.ts'
import { clockLiars } from './scenarios/clock-liars.ts'
import { eclipseBuilder } from './scenarios/eclipse-builder.ts'
import { eclipseProver } from './scenarios/eclipse-prover.ts'
import { equivocatingBuilder } from './scenarios/equivocating-builder.ts'
import { gasSpike } from './scenarios/gas-spike.ts'
import { homeRigs } from './scenarios/home-rigs.ts'
import { kappa } from './scenarios/kappa.ts'
import { lastLookFriend } from './scenarios/last-look-friend.ts'
import { misawardingBuilder } from './scenarios/misawarding-builder.ts'
import { noShowAfterAcceptance, noShowBeforeAcceptance, noShowLate } from './scenarios/no-show.ts'
import { oversizedReplayed } from './scenarios/oversized-replayed.ts'
import { partition } from './scenarios/partition.ts'
import { priceRing } from './scenarios/price-ring.ts'
import { receiptWithheld } from './scenarios/receipt-withheld.ts'
import { reorg } from './scenarios/reorg.ts'
import { secondPrice } from './scenarios/second-price.ts'
import { silentRelays } from './scenarios/silent-relays.ts'
import { sybilBackups } from './scenarios/sybil-backups.ts'
import { unbondedFlood } from './scenarios/unbonded-flood.ts'

export const scenarios: readonly Scenario[] = [
  baseline,
  bidWithholding,
  burst,
  churn,
  clockLiars,
  eclipseBuilder,
  eclipseProver,
  equivocatingBuilder,
  gasSpike,
  homeRigs,
  kappa,
  lastLookFriend,
  misawardingBuilder,
  noShowAfterAcceptance,
  noShowBeforeAcceptance,
  noShowLate,
  oversizedReplayed,
  partition,
  priceRing,
  receiptWithheld,
  reorg,
  secondPrice,
  silentRelays,
  sybilBackups,
  unbondedFlood,
]
