/**
 * The exporter's log as a shared, reconnecting subscription (`protocol.md` 8).
 *
 * @since 0.1.0
 */
import * as Chunk from "effect/Chunk"
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as LogLevel from "effect/LogLevel"
import * as Mailbox from "effect/Mailbox"
import * as Option from "effect/Option"
import * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import * as LogEntry from "../protocol/LogEntry.ts"
import type { CallCount } from "../telemetry/metrics.ts"
import { acquireRelease } from "../util/acquired.ts"
import * as interruptible from "../util/interruptible.ts"
import * as pull from "../util/pull.ts"
import * as sharedFiber from "../util/sharedFiber.ts"
import type { ExporterClient } from "./ExporterClient.ts"
import { SeenLines } from "./seenLines.ts"

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
  /**
   * Whether to write the lines that the exporter has kept from before. They are written, with the annotation `backlog`,
   * unless `false`.
   */
  readonly backlog?: boolean | undefined
}

export type { CallCount }

/**
 * The log of one exporter. Each connection has one subscription, held while somebody listens: Python exporters send each
 * line to one subscriber only.
 *
 * A subscription begins with its backlog: lines that the exporter has kept for late listeners, some of them from other
 * clients. They have `backlog: true`. Lines carry no mark of their age, and the exporter's clock may differ from this one.
 * So a line counts as backlog until the exporter answers a request with no line in between, or until this connection begins
 * a driver call. A line that the exporter logs before that also counts as backlog, and a call made before that ends the
 * backlog early.
 *
 * @since 0.1.0
 * @category models
 */
export interface LogStream {
  /**
   * Log lines, for any number of consumers. The first consumer also gets the lines that the exporter has kept for late
   * listeners; the others get lines from now on. A consumer that falls behind by more than 1,024 lines loses some, and a
   * `LogGap` says how many. The stream ends when the exporter has no log or stays unreachable.
   */
  readonly events: Stream.Stream<LogEntry.LogEvent>
  /**
   * Writes log lines into Effect's logger until the scope closes, see `LogEntry.log`. Returns once the backlog has been
   * read, so that a later call logs none of it.
   *
   * Log lines and the results of calls travel separately. If calls have ended while the scope was open, closing it waits
   * for their lines: until the exporter has answered a request and no line has come, over a connection for 75 ms. This
   * wait, and the one for the backlog, each take half a second at most, in real time, regardless of the program's clock.
   */
  readonly forward: (options?: LogStreamOptions) => Effect.Effect<void, never, Scope.Scope>
  /**
   * Waits, as closing the scope of `forward` does, until the lines of everything the exporter has done so far have been
   * read. Needs at least one consumer.
   */
  readonly settled: Effect.Effect<void>
  /** Updated by the clients of the connection's drivers. */
  readonly calls: CallCount
}

/**
 * What the creator of a connection knows about its log.
 *
 * @since 0.1.0
 * @category models
 */
export interface MakeOptions {
  /** Receives each line before the consumers do, even when their queues are full. */
  readonly note?: ((entry: LogEntry.LogEntry) => void) | undefined
  /** Whether there is a connection to the exporter, over which lines may arrive after the results they belong to. */
  readonly isRemote?: boolean | undefined
  /**
   * Receives each line and each gap from the start, and `make` waits for the backlog, as `forward` does. The first consumer
   * still gets what the exporter would have kept for it.
   *
   * @internal
   */
  readonly witness?: ((event: LogEntry.LogEvent) => void) | undefined
}

const backlog = 1_024

const maxAttempts = 10

const firstDelay = Duration.millis(100)

const longStanding = Duration.seconds(10)

// How long to wait for lines that may be on their way.
const patience = Duration.millis(500)

// Once no line has come for this long, none is on its way: `backlog` for lines that an exporter sends in a row, `call` for
// lines after a result. Python exporters look for new lines every 50 ms (protocol.md 8). In memory lines arrive at once.
const pauses = {
  memory: { backlog: Duration.zero, call: Duration.zero },
  remote: { backlog: Duration.millis(20), call: Duration.millis(75) }
}

// A consumer's queue. Lines that do not fit are counted, and the consumer gets the count after the queued lines.
interface Subscriber {
  readonly mailbox: Mailbox.Mailbox<LogEntry.LogEvent>
  dropped: number
  // The number of calls that had ended when the consumer subscribed.
  readonly since: number
}

// The start of a subscription: its backlog, which lasts as long as `LogStream` says.
class Beginning {
  private readonly latch = Effect.unsafeMakeLatch()
  private readonly begun: number
  private hasEnded = false

  constructor(private readonly calls: CallCount) {
    this.begun = calls.begun
  }

  get isOver(): boolean {
    return this.hasEnded || this.calls.begun > this.begun
  }

  readonly over: Effect.Effect<void> = this.latch.await

  end(): void {
    this.hasEnded = true
    this.latch.unsafeOpen()
  }
}

const offer = (subscriber: Subscriber, event: LogEntry.LogEvent): void => {
  if (subscriber.dropped > 0 || !subscriber.mailbox.unsafeOffer(event)) subscriber.dropped++
}

// What a consumer gets: the queued lines, then a gap for the lines that did not fit.
const eventsOf = (subscriber: Subscriber): Stream.Stream<LogEntry.LogEvent> =>
  pull.chunks(
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

const late = (entry: LogEntry.LogEntry): LogEntry.LogEntry => new LogEntry.LogEntry({ ...entry, backlog: true })

const matches = (options: LogStreamOptions) => (event: LogEntry.LogEvent): boolean =>
  event._tag === "LogGap" || (
    (options.minimumLogLevel === undefined ||
      LogLevel.greaterThanEqual(LogEntry.logLevel(event.severity), options.minimumLogLevel)) &&
    (options.sources === undefined || options.sources.includes(event.source)) &&
    (options.backlog !== false || event.backlog !== true)
  )

// The host reports lines that it has dropped with a line of its own, because the protocol has no other way.
const toEvent = (entry: LogEntry.LogEntry): LogEntry.LogEvent => {
  const { dropped = "" } = entry.fields
  return entry.source === "SYSTEM" && /^\d+$/.test(dropped)
    ? new LogEntry.LogGap({ reason: "slow reader", dropped: Option.some(Number(dropped)) })
    : entry
}

/**
 * Subscribes to an exporter's log on behalf of any number of consumers. A lost subscription is renewed after 100 ms,
 * doubling to 2 seconds, and given up after 10 attempts without a line, as the reference client does. A subscription that
 * lasts 10 seconds resets the attempts. Consumers get a `LogGap` for each loss, even if no lines follow. Lines that the
 * exporter then repeats are left out if they have a time, without which a repetition cannot be recognized. When the scope
 * closes, consumers still get the lines of calls that have ended, as with `forward`.
 *
 * @since 0.1.0
 * @category constructors
 */
export const make = Effect.fnUntraced(function*(
  exporter: Pick<ExporterClient, "getStatus" | "logStream" | "target">,
  { isRemote = false, note = () => {}, witness }: MakeOptions = {}
) {
  const subscribers = new Set<Subscriber>()
  // What only the witness has read, because there was no consumer.
  const kept: Array<LogEntry.LogEvent> = []
  let closed = false
  const pause = isRemote ? pauses.remote : pauses.memory
  const calls: CallCount = { begun: 0, ended: 0 }
  // `lines` counts the lines that have been read. They include all lines of the first `settledCalls` calls that ended.
  let lines = 0
  let settledCalls = 0
  let beginning = new Beginning(calls)

  // A round trip to the exporter. A failure that the exporter sent is an answer, too.
  const roundTrip = Effect.catchIf(exporter.getStatus, ({ origin }) => origin === "peer", () => Effect.void)

  // Waits until no line has come during a pause and a round trip. The pause comes first: a timer that fires late runs
  // before data that arrived meanwhile. It uses real time, so that no scope hangs on a test's clock.
  const settleAfter = (pause: Duration.Duration) =>
    Effect.clockWith((clock) => {
      const isQuiet = Effect.suspend(() => {
        const before = lines
        return Effect.sleep(pause).pipe(
          Effect.zipRight(Effect.withClock(roundTrip, clock)),
          Effect.map(() => lines === before)
        )
      })
      return Effect.repeat(isQuiet, { until: (quiet) => quiet }).pipe(
        interruptible.timeoutOption(patience),
        Effect.withClock(Clock.make()),
        Effect.ignore
      )
    })

  const settled = Effect.suspend(() => {
    const { ended } = calls
    return Effect.map(settleAfter(pause.call), () => {
      settledCalls = ended
    })
  })

  // The lines consumers must get before they end: those of calls that have ended since they subscribed.
  const settledFor = (consumers: Iterable<Pick<Subscriber, "since">>) =>
    Effect.suspend(() => {
      const isOwed = ({ since }: Pick<Subscriber, "since">) => calls.ended > Math.max(since, settledCalls)
      return Array.from(consumers).some(isOwed) ? settled : Effect.void
    })

  // Consumers may outlive the connection; they must not wait for lines that cannot come.
  const endAll = (exit: Exit.Exit<void>): void => {
    beginning.end()
    subscribers.forEach(({ mailbox }) => mailbox.unsafeDone(exit))
    subscribers.clear()
  }

  // The reader continues until the last lines have been read.
  const reader = yield* acquireRelease(Scope.make(), (scope, exit) => Scope.close(scope, exit))
  yield* Effect.addFinalizer(() =>
    Effect.zipRight(
      settledFor(witness === undefined ? subscribers : [...subscribers, { since: 0 }]),
      Effect.sync(() => {
        closed = true
        endAll(Exit.void)
      })
    )
  )

  const publish = (event: LogEntry.LogEvent) =>
    Effect.sync(() => {
      subscribers.forEach((subscriber) => offer(subscriber, event))
      if (witness === undefined) return
      witness(event)
      if (subscribers.size > 0) return
      kept.push(event)
      if (kept.length > backlog) kept.shift()
    })

  const read = (current: Beginning) =>
    Effect.scoped(Effect.gen(function*() {
      yield* interruptible.forkScoped(Effect.map(settleAfter(pause.backlog), () => current.end()))
      const seen = new SeenLines()
      let delay = firstDelay
      let attempts = 0
      // Several interruptions without a line in between make one gap.
      let told = false
      while (attempts < maxAttempts) {
        seen.resume()
        const [stood, stopped] = yield* Stream.runForEach(exporter.logStream, (received) => {
          lines++
          delay = firstDelay
          attempts = 0
          if (seen.isRepeated(received)) return Effect.void
          told = false
          const entry = current.isOver ? received : late(received)
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
      yield* Effect.logWarning(
        `gave up subscribing to the log of ${exporter.target} after ${maxAttempts} attempts without a line`
      )
    }))

  const reading = yield* Scope.extend(sharedFiber.make(() => read(beginning = new Beginning(calls)), endAll), reader)

  const subscribe = Effect.zipLeft(
    Effect.acquireRelease(
      Effect.gen(function*() {
        const subscriber: Subscriber = {
          mailbox: yield* Mailbox.make<LogEntry.LogEvent>({ capacity: backlog, strategy: "dropping" }),
          dropped: 0,
          since: calls.ended
        }
        for (const event of kept.splice(0)) offer(subscriber, event._tag === "LogGap" ? event : late(event))
        if (closed) yield* subscriber.mailbox.end
        else subscribers.add(subscriber)
        return subscriber
      }),
      (subscriber) => Effect.sync(() => subscribers.delete(subscriber))
    ),
    Effect.suspend(() => closed ? Effect.void : reading)
  )

  // The program's first call would end the backlog, and a record would show what earlier programs did as part of this one.
  if (witness !== undefined) {
    yield* Scope.extend(reading, reader)
    yield* beginning.over
  }

  const events = Stream.unwrapScoped(Effect.map(subscribe, eventsOf))

  const logStream: LogStream = {
    events,
    // Subscribe before forking, so that no line from here on is missed.
    forward: Effect.fnUntraced(function*(options: LogStreamOptions = {}) {
      const subscriber = yield* subscribe
      const writing = yield* eventsOf(subscriber).pipe(
        Stream.filter(matches(options)),
        Stream.runForEach((event) => Effect.annotateLogs(LogEntry.log(event), "exporter", exporter.target)),
        interruptible.forkScoped
      )
      yield* Effect.addFinalizer(() =>
        settledFor([subscriber]).pipe(Effect.zipRight(subscriber.mailbox.end), Effect.zipRight(Fiber.await(writing)))
      )
      yield* beginning.over
    }),
    settled,
    calls
  }
  return logStream
})
