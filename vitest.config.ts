import { defineConfig } from 'vitest/config'

/** A test of the real market may wait for a slash: two claim windows of block time. ms. */
const E2E_TIMEOUT_MS = 120_000
/**
 * `expect.poll` gives up after a second by default, which a busy machine needs for one heartbeat of
 * gossipsub. What is polled for has no deadline of its own, so the test's time limit decides.
 */
const expect = { poll: { timeout: 30_000 } }

/**
 * Five rooms, run one after the other, fastest first. The e2e tests start whole markets, each of
 * which wants the machine to itself, so they also run one file at a time.
 */
export default defineConfig({
  test: {
    projects: [
      {
        test: {
          expect,
          name: 'unit',
          include: ['test/unit/**/*.test.ts'],
          // Both cores of a small machine; by default one would be left idle.
          maxWorkers: 2,
          sequence: { groupOrder: 0 },
          // Building a circuit or a contract for the first time takes half a minute on a slow
          // machine.
          testTimeout: 60_000,
          hookTimeout: 120_000,
        },
      },
      {
        test: {
          expect,
          name: 'sim',
          include: ['test/sim/**/*.test.ts'],
          sequence: { groupOrder: 1 },
          testTimeout: 120_000,
        },
      },
      {
        test: {
          expect,
          name: 'tables',
          include: ['test/tables/**/*.test.ts'],
          // Each file has chains of its own beside it.
          maxWorkers: 2,
          sequence: { groupOrder: 2 },
          testTimeout: E2E_TIMEOUT_MS,
          hookTimeout: E2E_TIMEOUT_MS,
        },
      },
      {
        test: {
          expect,
          name: 'e2e',
          include: ['test/e2e/**/*.test.ts'],
          sequence: { groupOrder: 3 },
          fileParallelism: false,
          testTimeout: E2E_TIMEOUT_MS,
          hookTimeout: E2E_TIMEOUT_MS,
        },
      },
      {
        test: {
          expect,
          // What `npm test` has no time for: `npm run test:long`.
          name: 'long',
          include: ['test/long/**/*.test.ts', 'test/e2e/crashes.test.ts'],
          fileParallelism: false,
          env: { EVERY_PHASE: '1' },
          sequence: { groupOrder: 4 },
          testTimeout: E2E_TIMEOUT_MS,
          hookTimeout: E2E_TIMEOUT_MS,
        },
      },
    ],
  },
})
