/**
 * The exporter's log as a shared, reconnecting subscription (`protocol.md` 8).
 *
 * @since 0.1.0
 */
import * as Chunk from "effect/Chunk"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as LogLevel from "effect/LogLevel"
import * as Mailbox from "effect/Mailbox"
import * as Option from "effect/Option"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import type { ExporterClient } from "./ExporterClient.ts"
import * as interruptible from "./internal/interruptible.ts"
import { SeenLines } from "./internal/seenLines.ts"
import * as sharedFiber from "./internal/sharedFiber.ts"
import * as LogEntry from "./LogEntry.ts"

/**
 * Which log lines to write into Effect's logger.
 *
 * @since 0.1.0
 * @category models
 */
export interface LogStreamOptions {
  /** Lines below this level are left out; all are written unless given. */
  readonly minimumLogLevel?: LogLevel.LogLevel | undefined
  /** Sources to write; all unless given. */
  readonly sources?: ReadonlyArray<LogEntry.LogSource> | undefined
}

/**
 * The log of one exporter. There is one subscription per connection, held while somebody listens: Python exporters
 * give each line to one subscriber only.
 *
 * @since 0.1.0
 * @category models
 */
export interface LogStream {
  /**
   * Log lines, for any number of consumers: those from now on, and before them, for the first consumer, what the exporter
   * has kept for one who comes late. A consumer that falls behind by more than 1,024 lines loses some and is told how many by
   * a `LogGap`. The stream ends when the exporter has no log or stays unreachable.
   */
  readonly events: Stream.Stream<LogEntry.LogEvent>
  /** Writes log lines into Effect's logger until the scope closes, see `LogEntry.log`. */
  readonly forward: (options?: LogStreamOptions) => Effect.Effect<void, never, Scope.Scope>
}

const backlog = 1_024

const maxAttempts = 10

const firstDelay = Duration.millis(100)

const longStanding = Duration.seconds(10)

// A consumer's queue. What does not fit is counted, until the consumer has taken the rest and is told.
interface Subscriber {
  readonly mailbox: Mailbox.Mailbox<LogEntry.LogEvent>
  dropped: number
}

const offer = (subscriber: Subscriber, event: LogEntry.LogEvent): void => {
  if (subscriber.dropped > 0 || !subscriber.mailbox.unsafeOffer(event)) subscriber.dropped++
}

// What a consumer gets: all that waits for it, and then how much did not fit behind that.
const eventsOf = (subscriber: Subscriber): Stream.Stream<LogEntry.LogEvent> =>
  Stream.repeatEffectChunkOption(
    Effect.flatMap(subscriber.mailbox.takeAll, ([events, done]) => {
      const { dropped } = subscriber
      subscriber.dropped = 0
      if (dropped > 0) {
        const gap = new LogEntry.LogGap({ reason: "slow reader", dropped: Option.some(dropped) })
        return Effect.succeed(Chunk.append<LogEntry.LogEvent, LogEntry.LogEvent>(events, gap))
      }
      return done && Chunk.isEmpty(events) ? Effect.fail(Option.none()) : Effect.succeed(events)
    })
  )

const matches = (options: LogStreamOptions) => (event: LogEntry.LogEvent): boolean =>
  event._tag === "LogGap" || (
    (options.minimumLogLevel === undefined ||
      LogLevel.greaterThanEqual(LogEntry.logLevel(event.severity), options.minimumLogLevel)) &&
    (options.sources === undefined || options.sources.includes(event.source))
  )

// Our host has no other way to say that it has dropped lines than with another one.
const toEvent = (entry: LogEntry.LogEntry): LogEntry.LogEvent => {
  const { dropped = "" } = entry.fields
  return entry.source === "SYSTEM" && /^\d+$/.test(dropped)
    ? new LogEntry.LogGap({ reason: "slow reader", dropped: Option.some(Number(dropped)) })
    : entry
}

/**
 * Subscribes to an exporter's log on behalf of any number of consumers. A lost subscription is renewed after 100 ms,
 * doubling to 2 seconds, and given up after 10 attempts without a line, as the reference client does; one that stood for
 * 10 seconds counts as heard. Consumers are told of a loss by a `LogGap`, whether lines follow or not. What the exporter then
 * repeats is left out, as far as its lines have a time by which they can be told apart. `note` is told each
 * line before they are, whether or not they have room for it.
 *
 * @since 0.1.0
 * @category constructors
 */
export const make = Effect.fnUntraced(function*(
  exporter: Pick<ExporterClient, "logStream" | "target">,
  note: (entry: LogEntry.LogEntry) => void = () => {}
) {
  const subscribers = new Set<Subscriber>()
  let closed = false

  // Consumers may outlive the connection; they must not wait for lines that cannot come.
  const endAll = (exit: Exit.Exit<void>): void => {
    subscribers.forEach(({ mailbox }) => mailbox.unsafeDone(exit))
    subscribers.clear()
  }
  yield* Effect.addFinalizer(() =>
    Effect.sync(() => {
      closed = true
      endAll(Exit.void)
    })
  )

  const publish = (event: LogEntry.LogEvent) =>
    Effect.sync(() => subscribers.forEach((subscriber) => offer(subscriber, event)))

  const read = Effect.gen(function*() {
    const seen = new SeenLines()
    let delay = firstDelay
    let attempts = 0
    // Of several interruptions without a line in between, one is told.
    let told = false
    while (attempts < maxAttempts) {
      seen.resume()
      const [stood, stopped] = yield* Stream.runForEach(exporter.logStream, (entry) => {
        delay = firstDelay
        attempts = 0
        if (seen.isRepeated(entry)) return Effect.void
        told = false
        note(entry)
        return publish(toEvent(entry))
      }).pipe(
        Effect.as(false),
        Effect.catchAll((status) =>
          Effect.as(
            Effect.logDebug("the log subscription ended", status),
            status.code === "UNIMPLEMENTED" || status.code === "CANCELLED" && status.origin !== "transport"
          )
        ),
        Effect.timed
      )
      if (stopped) return
      if (Duration.greaterThanOrEqualTo(stood, longStanding)) {
        delay = firstDelay
        attempts = 0
      }
      attempts++
      yield* Effect.sleep(delay)
      delay = Duration.min(Duration.times(delay, 2), Duration.seconds(2))
      if (!told) yield* publish(new LogEntry.LogGap({ reason: "interrupted", dropped: Option.none() }))
      told = true
    }
    yield* Effect.logWarning(`gave up the log of ${exporter.target} after ${maxAttempts} attempts without a line`)
  })

  const reading = yield* sharedFiber.make(read, endAll)

  const subscribe = Effect.zipLeft(
    Effect.acquireRelease(
      Effect.gen(function*() {
        const subscriber: Subscriber = {
          mailbox: yield* Mailbox.make<LogEntry.LogEvent>({ capacity: backlog, strategy: "dropping" }),
          dropped: 0
        }
        if (closed) yield* subscriber.mailbox.end
        else subscribers.add(subscriber)
        return subscriber
      }),
      (subscriber) => Effect.sync(() => subscribers.delete(subscriber))
    ),
    Effect.suspend(() => closed ? Effect.void : reading)
  )

  const events = Stream.unwrapScoped(Effect.map(subscribe, eventsOf))

  const logStream: LogStream = {
    events,
    // Subscribing before forking: what the exporter logs from here on is not missed.
    forward: (options = {}) =>
      Effect.flatMap(subscribe, (subscriber) =>
        eventsOf(subscriber).pipe(
          Stream.filter(matches(options)),
          Stream.runForEach((event) => Effect.annotateLogs(LogEntry.log(event), "exporter", exporter.target)),
          interruptible.forkScoped,
          Effect.asVoid
        ))
  }
  return logStream
})
