// A bounded pipe of messages in memory: one direction of an RPC, or the input of a transformation. The bytes in the pipe are
// bounded as by a flow-control window, so a sender is never far ahead of the reader. Messages that the reader has taken count until
// its next take.
import * as Chunk from "effect/Chunk"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Option from "effect/Option"
import * as suspended from "../../util/suspended.ts"
import { Waiters } from "../../util/waiters.ts"

// The same size as the window of a stream to a host of this library.
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
  // The limit on the bytes of one take, so that room becomes free in steps.
  private readonly batch: number
  // Added to the size of every message. With it the pipe holds as many empty messages as a bounded queue of the reference
  // implementation (protocol.md 5.2).
  private readonly overhead: number

  constructor(private readonly window = usualWindow) {
    this.batch = window / 4
    this.overhead = window / 32
  }

  // Adds a message as soon as there is room. Returns whether it was accepted; after the end none is.
  send(message: Uint8Array): Effect.Effect<boolean> {
    return Effect.suspend(() => {
      if (this.outcome !== undefined) return Effect.succeed(false)
      if (this.add(message)) return Effect.succeed(true)
      return suspended.until<boolean>((resume) => {
        // Others may have had a turn since the look above.
        if (this.outcome !== undefined) return resume(Effect.succeed(false))
        if (this.add(message)) return resume(Effect.succeed(true))
        const sending: Sending = { message, sent: (accepted) => resume(Effect.succeed(accepted)) }
        this.sending.push(sending)
        return Effect.sync(() => {
          this.sending = this.sending.filter((other) => other !== sending)
        })
      })
    })
  }

  // Adds messages one after another until one is not accepted.
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

  // Takes messages from the pipe, and waits until there is one. Fails with the end after the last message.
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
    return Effect.zipRight(this.readers.wait(() => this.messages.length > 0 || this.outcome !== undefined), this.take)
  })

  // Ends the pipe from the sending side. The reader gets all messages, including those that still wait for room, and then the
  // outcome. The first outcome wins.
  readonly end = (outcome: Exit.Exit<void, E>): Effect.Effect<void> =>
    Effect.sync(() => {
      if (this.outcome !== undefined) return
      for (const { message } of this.sending) this.push(message)
      this.finish(outcome, true)
    })

  // Ends the pipe from the reading side. Messages that still wait for room are not accepted.
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

  // A message that waits goes before a new one.
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
