// Messages on their way in memory: one direction of an RPC, or what is written to a transformation. The bytes under way are
// bounded, as by a flow-control window, so that a sender is never far ahead of a reader. What the reader has taken counts as
// under way until it asks for more.
import * as Chunk from "effect/Chunk"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Option from "effect/Option"
import { Waiters } from "../../util/waiters.ts"

// As on the wire to a host of ours, whose streams have windows of this size.
const usualWindow = 1024 * 1024

interface Sending {
  readonly message: Uint8Array
  readonly sent: (accepted: boolean) => void
}

export class MemoryPipe<E> {
  private messages: Array<Uint8Array> = []
  private queued = 0
  private taken = 0
  private sending: Array<Sending> = []
  private readonly readers = new Waiters()
  private outcome: Exit.Exit<void, E> | undefined
  // What a reader takes at once, so that room comes back in steps.
  private readonly batch: number
  // Counted per message besides its bytes: of empty ones as many are under way as a bounded queue of the reference
  // implementation holds (protocol.md 5.2).
  private readonly overhead: number

  constructor(private readonly window = usualWindow) {
    this.batch = window / 4
    this.overhead = window / 32
  }

  // Adds a message as soon as there is room. The answer is whether it was accepted: not after the end.
  send(message: Uint8Array): Effect.Effect<boolean> {
    return Effect.suspend(() => {
      if (this.outcome !== undefined) return Effect.succeed(false)
      if (this.add(message)) return Effect.succeed(true)
      return Effect.async<boolean>((resume) => {
        const sending: Sending = { message, sent: (accepted) => resume(Effect.succeed(accepted)) }
        this.sending.push(sending)
        return Effect.sync(() => {
          this.sending = this.sending.filter((other) => other !== sending)
        })
      })
    })
  }

  // Adds messages one after the other, until one is not accepted.
  sendAll(messages: Chunk.Chunk<Uint8Array>, from = 0): Effect.Effect<void> {
    return Effect.suspend(() => {
      let next = from
      while (next < messages.length && this.outcome === undefined && this.add(Chunk.unsafeGet(messages, next))) next++
      if (next === messages.length) return Effect.void
      return Effect.flatMap(
        this.send(Chunk.unsafeGet(messages, next)),
        (accepted) => accepted ? this.sendAll(messages, next + 1) : Effect.void
      )
    })
  }

  // Messages that are here, waiting for the first; fails with the end once all are taken.
  readonly take: Effect.Effect<Chunk.Chunk<Uint8Array>, Option.Option<E>> = Effect.suspend(() => {
    this.taken = 0
    this.admit()
    if (this.messages.length > 0) {
      let count = 0
      let bytes = 0
      while (count < this.messages.length && bytes < this.batch) bytes += this.messages[count++]?.length ?? 0
      this.taken = bytes + count * this.overhead
      this.queued -= this.taken
      return Effect.succeed(Chunk.unsafeFromArray(this.messages.splice(0, count)))
    }
    if (this.outcome !== undefined) {
      return Exit.match(this.outcome, {
        onFailure: (cause) => Effect.mapError(Effect.failCause(cause), Option.some),
        onSuccess: () => Effect.fail(Option.none())
      })
    }
    return Effect.zipRight(this.readers.wait, this.take)
  })

  // Nothing is sent any more: the reader gets what was sent, also what still waits for room, and then the outcome. The first
  // one counts.
  readonly end = (outcome: Exit.Exit<void, E>): Effect.Effect<void> =>
    Effect.sync(() => {
      if (this.outcome !== undefined) return
      for (const { message } of this.sending) this.push(message)
      this.finish(outcome, true)
    })

  // Nobody reads any more what still waits for room.
  readonly leave = (outcome: Exit.Exit<void, E>): Effect.Effect<void> =>
    Effect.sync(() => {
      if (this.outcome === undefined) this.finish(outcome, false)
    })

  private finish(outcome: Exit.Exit<void, E>, accepted: boolean): void {
    this.outcome = outcome
    const { sending } = this
    this.sending = []
    sending.forEach(({ sent }) => sent(accepted))
    this.readers.wake()
  }

  // One that waits comes before one that does not.
  private add(message: Uint8Array): boolean {
    if (this.sending.length > 0 || this.queued + this.taken >= this.window) return false
    this.push(message)
    return true
  }

  private push(message: Uint8Array): void {
    this.messages.push(message)
    this.queued += message.length + this.overhead
    this.readers.wake()
  }

  private admit(): void {
    while (this.sending.length > 0 && this.queued + this.taken < this.window) {
      const sending = this.sending.shift()
      if (sending === undefined) return
      this.push(sending.message)
      sending.sent(true)
    }
  }
}
