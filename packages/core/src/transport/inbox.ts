// A mailbox between a producer in callback or promise code and one consumer that is an Effect. All messages that arrived since the
// last take are taken together as one chunk, so the consumer pays per batch and not per message.
import * as Chunk from "effect/Chunk"
import * as Effect from "effect/Effect"
import type * as Option from "effect/Option"
import type { Bytes } from "../grpc/Bytes.ts"
import { Waiters } from "../util/waiters.ts"

// Added to the size of every message, so that a flood of tiny messages is bounded too.
const overhead = 512

export class Inbox<M extends Bytes, E> {
  private messages: Array<M> = []
  private weight = 0
  private lastBuffer: ArrayBufferLike | undefined
  private end: Option.Option<E> | undefined
  // While a stream is being closed, the closing fiber reads it too.
  private readonly consumers = new Waiters()
  private wakeProducer: (() => void) | undefined
  private discarding = false

  constructor(private readonly limit: number) {}

  // Accepts a message. Returns a promise when the inbox is full; the producer must wait until it resolves.
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

  // Marks the end; `None` is a clean one. Messages already accepted can still be taken. Later calls have no effect.
  close(end: Option.Option<E>): void {
    if (this.end !== undefined) return
    this.end = end
    this.consumers.wake()
    this.wakeProducer?.()
  }

  // Drops all messages, present and future, so that the producer can run to its end. Does nothing after the end: a clean end must
  // not hide that messages were dropped.
  discard(): void {
    if (this.end !== undefined) return
    this.discarding = true
    this.empty()
    this.wakeProducer?.()
    this.wakeProducer = undefined
  }

  // Takes the messages that arrived since the last take, and waits until there is one. Fails with the end after the last message.
  readonly take: Effect.Effect<Chunk.Chunk<M>, Option.Option<E>> = Effect.suspend(() => {
    if (this.messages.length > 0) {
      const chunk = Chunk.unsafeFromArray(this.messages)
      this.empty()
      this.wakeProducer?.()
      this.wakeProducer = undefined
      return Effect.succeed(chunk)
    }
    if (this.end !== undefined) return Effect.fail(this.end)
    return Effect.zipRight(this.consumers.wait(() => this.messages.length > 0 || this.end !== undefined), this.take)
  })

  // Counts the whole buffer: a message may be a small view of a large buffer, and keeps all of it alive.
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
