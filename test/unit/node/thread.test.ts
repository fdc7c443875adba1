import { afterEach, describe, expect, test } from 'vitest'
import { Thread } from '#node/thread'

/** Doubles numbers; ends on 13, and never answers 0. */
const script = `
  import { parentPort, workerData } from 'node:worker_threads'
  parentPort.on('message', ({ id, question }) => {
    if (question === 13) process.exit(1)
    if (question !== 0) parentPort.postMessage({ id, answer: question * workerData })
  })
`
const path = new URL(`data:text/javascript,${encodeURIComponent(script)}`)
const options = { path, workerData: 2, what: 'numbers', name: 'doubler', maxQueue: 3 }
let thread: Thread<number, number>
afterEach(() => thread.close())

describe('a thread', () => {
  test('answers each question with its own answer', async () => {
    thread = new Thread(options)
    expect(await Promise.all([1, 2, 3].map((number) => thread.ask(number)))).toEqual([2, 4, 6])
  })

  test('takes no more questions than may wait, and says so', async () => {
    thread = new Thread(options)
    const waiting = [thread.ask(0), thread.ask(0), thread.ask(0)]
    await expect(thread.ask(1)).rejects.toThrow('3 numbers are waiting for the doubler')
    const refused = Promise.allSettled(waiting)
    await thread.close()
    expect((await refused).every(({ status }) => status === 'rejected')).toBe(true)
  })

  test('that crashed refuses what waited, and is followed by another', async () => {
    thread = new Thread(options)
    const lost = thread.ask(0)
    const crashed = thread.ask(13)
    await expect(lost).rejects.toThrow('the doubler thread ended; ask again')
    await expect(crashed).rejects.toThrow('the doubler thread ended')
    expect(await thread.ask(4)).toBe(8)
  })

  test('that is closed takes nothing any more', async () => {
    thread = new Thread(options)
    await thread.close()
    await expect(thread.ask(1)).rejects.toThrow('the doubler is closed')
  })
})
