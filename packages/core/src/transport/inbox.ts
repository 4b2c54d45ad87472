// A mailbox between a producer in callback or promise code and one consumer that is an Effect. Messages that arrived
// since the last take leave together as one chunk, so that the consumer pays per batch and not per message.
import * as Chunk from "effect/Chunk"
import * as Effect from "effect/Effect"
import type * as Option from "effect/Option"
import type { Bytes } from "../grpc/Bytes.ts"
import { Waiters } from "../util/waiters.ts"

// Counted per message besides its bytes, so that a flood of tiny messages is bounded too.
const overhead = 512

export class Inbox<M extends Bytes, E> {
  private messages: Array<M> = []
  private weight = 0
  private lastBuffer: ArrayBufferLike | undefined
  private end: Option.Option<E> | undefined
  // A stream that is being closed is read by the one who closes it as well.
  private readonly consumers = new Waiters()
  private wakeProducer: (() => void) | undefined
  private discarding = false

  constructor(private readonly limit: number) {}

  // Accepts a message. When it returns a promise the inbox is full: produce no more until it resolves.
  push(message: M): Promise<void> | undefined {
    if (this.discarding) return undefined
    this.messages.push(message)
    this.weight += overhead
    if (message instanceof Uint8Array) this.weigh(message)
    else message.forEach((piece) => this.weigh(piece))
    this.consumers.wake()
    if (this.weight < this.limit) return undefined
    return new Promise((resolve) => {
      this.wakeProducer = resolve
    })
  }

  get isClosed(): boolean {
    return this.end !== undefined
  }

  // Nothing follows: `None` is a clean end. Messages already accepted can still be taken. The first end counts.
  close(end: Option.Option<E>): void {
    if (this.end !== undefined) return
    this.end = end
    this.consumers.wake()
    this.wakeProducer?.()
  }

  // Drops what was not taken and all that still comes, so that the producer gets on to its end. After the end there is
  // nobody to get on, and what is here stays: without it a clean end would be a lie.
  discard(): void {
    if (this.end !== undefined) return
    this.discarding = true
    this.empty()
    this.wakeProducer?.()
    this.wakeProducer = undefined
  }

  // The messages that arrived since the last take, waiting for the first; fails with the end once all are taken.
  readonly take: Effect.Effect<Chunk.Chunk<M>, Option.Option<E>> = Effect.suspend(() => {
    if (this.messages.length > 0) {
      const chunk = Chunk.unsafeFromArray(this.messages)
      this.empty()
      this.wakeProducer?.()
      this.wakeProducer = undefined
      return Effect.succeed(chunk)
    }
    if (this.end !== undefined) return Effect.fail(this.end)
    return Effect.zipRight(this.consumers.wait, this.take)
  })

  // It may be a small view of a large piece of what came in, all of which it keeps alive.
  private weigh({ buffer }: Uint8Array): void {
    if (buffer !== this.lastBuffer) this.weight += buffer.byteLength
    this.lastBuffer = buffer
  }

  private empty(): void {
    this.messages = []
    this.weight = 0
    this.lastBuffer = undefined
  }
}
