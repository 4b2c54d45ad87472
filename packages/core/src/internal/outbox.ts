// The reverse of an inbox: an Effect produces, an async iteration consumes. nice-grpc pulls request messages this way,
// and pulls the next one only when the previous one has been written and the HTTP/2 stream has drained, so a bounded
// outbox is what makes sending wait for a peer that does not read.
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"

export class Outbox<E> implements AsyncIterable<Uint8Array> {
  private readonly messages: Array<Uint8Array> = []
  private ended = false
  private wakeConsumer: (() => void) | undefined
  private wakeProducers: Array<() => void> = []

  // `closed` completes when the call has ended and nothing can be sent any more.
  constructor(private readonly limit: number, private readonly closed: Deferred.Deferred<never, E>) {}

  send(message: Uint8Array): Effect.Effect<void, E> {
    return Effect.suspend(() => {
      if (this.messages.length < this.limit) {
        this.messages.push(message)
        this.wakeConsumer?.()
        return Effect.void
      }
      const capacity = Effect.async<void>((resume) => {
        const wake = () => resume(Effect.void)
        this.wakeProducers.push(wake)
        return Effect.sync(() => {
          this.wakeProducers = this.wakeProducers.filter((other) => other !== wake)
        })
      })
      return Effect.zipRight(Effect.raceFirst(capacity, Deferred.await(this.closed)), this.send(message))
    })
  }

  // Nothing follows; the consumer sees the end after what was sent before.
  end(): void {
    this.ended = true
    this.wakeConsumer?.()
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<Uint8Array> {
    for (;;) {
      const message = this.messages.shift()
      if (message !== undefined) {
        const wake = this.wakeProducers
        this.wakeProducers = []
        wake.forEach((resume) => resume())
        yield message
      } else if (this.ended) {
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
