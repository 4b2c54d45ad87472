// The reverse of an inbox: an Effect produces, and an async iteration consumes. nice-grpc pulls outgoing messages from one. It pulls
// the next message only when the previous one has been written and the HTTP/2 stream has drained, so a bounded outbox makes senders
// wait for a peer that does not read.
import * as Effect from "effect/Effect"
import { Waiters } from "../../util/waiters.ts"

export class Outbox implements AsyncIterable<Uint8Array> {
  private messages: Array<Uint8Array> = []
  private isEnded = false
  private isClosed = false
  private wakeConsumer: (() => void) | undefined
  private readonly producers = new Waiters()
  // How many producers wait for room.
  private blocked = 0

  constructor(private readonly limit: number) {}

  // Waits for room and adds a message. Messages after the end are dropped.
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
      this.producers.wait(() => this.isClosed || this.messages.length < this.limit),
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

  // Ends the messages. The consumer still gets those sent before, including those that wait for room.
  end(): void {
    this.isEnded = true
    this.wakeConsumer?.()
  }

  // Ends the consumption. Messages that wait for room are dropped.
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
