// The reverse of an inbox: an Effect produces, an async iteration consumes. nice-grpc pulls outgoing messages this way,
// and pulls the next one only when the previous one has been written and the HTTP/2 stream has drained, so a bounded
// outbox is what makes sending wait for a peer that does not read.
import * as Effect from "effect/Effect"

export class Outbox implements AsyncIterable<Uint8Array> {
  private messages: Array<Uint8Array> = []
  private ended: { readonly error: unknown } | undefined
  private wakeConsumer: (() => void) | undefined
  private wakeProducers: Array<() => void> = []

  constructor(private readonly limit: number) {}

  // Waits for room and adds a message. Once the outbox has ended, messages are dropped.
  send(message: Uint8Array): Effect.Effect<void> {
    return Effect.suspend(() => {
      if (this.ended !== undefined) return Effect.void
      if (this.messages.length < this.limit) {
        this.messages.push(message)
        this.wakeConsumer?.()
        return Effect.void
      }
      const room = Effect.async<void>((resume) => {
        const wake = () => resume(Effect.void)
        this.wakeProducers.push(wake)
        return Effect.sync(() => {
          this.wakeProducers = this.wakeProducers.filter((other) => other !== wake)
        })
      })
      return Effect.zipRight(room, this.send(message))
    })
  }

  // Nothing follows. The consumer sees what was sent before and then the end, or the error when there is one. The
  // first end counts.
  end(error?: unknown): void {
    if (this.ended !== undefined) return
    this.ended = { error }
    this.wakeConsumer?.()
    this.releaseProducers()
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<Uint8Array, void, undefined> {
    for (;;) {
      if (this.messages.length > 0) {
        const messages = this.messages
        this.messages = []
        this.releaseProducers()
        yield* messages
      } else if (this.ended !== undefined) {
        if (this.ended.error !== undefined) throw this.ended.error
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

  private releaseProducers(): void {
    const wake = this.wakeProducers
    this.wakeProducers = []
    wake.forEach((resume) => resume())
  }
}
