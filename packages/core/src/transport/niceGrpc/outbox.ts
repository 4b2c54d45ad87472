// The reverse of an inbox: an Effect produces, an async iteration consumes. nice-grpc pulls outgoing messages this way,
// and pulls the next one only when the previous one has been written and the HTTP/2 stream has drained, so a bounded
// outbox is what makes sending wait for a peer that does not read.
import * as Effect from "effect/Effect"
import { Waiters } from "../../util/waiters.ts"

export class Outbox implements AsyncIterable<Uint8Array> {
  private messages: Array<Uint8Array> = []
  private isEnded = false
  private isClosed = false
  private wakeConsumer: (() => void) | undefined
  private readonly producers = new Waiters()
  // Producers that wait for room.
  private blocked = 0

  constructor(private readonly limit: number) {}

  // Waits for room and adds a message. What comes after the end is dropped.
  send(message: Uint8Array): Effect.Effect<void> {
    return Effect.suspend(() => {
      if (this.isEnded) return Effect.void
      if (this.messages.length < this.limit) return this.add(message)
      this.blocked++
      return Effect.ensuring(
        this.sendLater(message),
        Effect.sync(() => {
          this.blocked--
          this.wakeConsumer?.()
        })
      )
    })
  }

  private sendLater(message: Uint8Array): Effect.Effect<void> {
    return Effect.zipRight(
      this.producers.wait,
      Effect.suspend(() => {
        if (this.isClosed) return Effect.void
        return this.messages.length < this.limit ? this.add(message) : this.sendLater(message)
      })
    )
  }

  private add(message: Uint8Array): Effect.Effect<void> {
    this.messages.push(message)
    this.wakeConsumer?.()
    return Effect.void
  }

  // Nothing follows. The consumer gets what was sent before, also what still waits for room.
  end(): void {
    this.isEnded = true
    this.wakeConsumer?.()
  }

  // Nobody consumes any more. What waits for room is dropped.
  close(): void {
    this.isClosed = true
    this.end()
    this.producers.wake()
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<Uint8Array, void, undefined> {
    for (;;) {
      if (this.messages.length > 0) {
        const messages = this.messages
        this.messages = []
        this.producers.wake()
        yield* messages
      } else if (this.isClosed || this.isEnded && this.blocked === 0) {
        return
      } else {
        await new Promise<void>((resolve) => {
          this.wakeConsumer = () => {
            this.wakeConsumer = undefined
            resolve()
          }
        })
      }
    }
  }
}
