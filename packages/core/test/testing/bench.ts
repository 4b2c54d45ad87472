// A small bench for the tests of the testing modules: drivers that record the calls that reach them.
import { Driver, DriverError, DriverFailure, ExporterConnection, Resource } from "@effect-jumpstarter/core"
import { Cause, Clock, Deferred, Effect, Exit, Fiber, Mailbox, Option, Sink, Stream, TestClock } from "effect"
import { createHash } from "node:crypto"
import { utf8 } from "../support/bytes.ts"

export const make = Effect.sync(() => {
  const events: Array<string> = []
  const record = (event: string) => Effect.sync(() => void events.push(event))
  const relay = Driver.make({
    client: "jumpstarter_driver_power.client.PowerClient",
    driverType: "power",
    methods: {
      on: Driver.call(() => record("on")),
      off: Driver.call(() => record("off")),
      set: Driver.call((args) => Effect.as(record(`set ${JSON.stringify(args)}`), args)),
      broken: Driver.call(() => DriverFailure.make("Timeout", "the relay did not answer")),
      // Ends only when it is interrupted.
      hang: Driver.call(() =>
        Effect.zipRight(
          record("hang"),
          // Finishes only after several yields, so that a caller that does not wait is detected.
          Effect.onInterrupt(
            Effect.never,
            () => Effect.zipRight(Effect.repeatN(Effect.yieldNow(), 500), record("hang interrupted"))
          )
        )
      ),
      // Takes an hour to finish when it is interrupted.
      stuck: Driver.call(() =>
        Effect.onInterrupt(Effect.zipRight(record("stuck"), Effect.never), () => Effect.sleep("1 hour"))
      ),
      slow: Driver.call(() => Effect.zipRight(Effect.sleep("1 minute"), record("slow"))),
      count: Driver.streamingCall(([n]) =>
        Stream.onStart(typeof n === "number" && n > 0 ? Stream.range(1, n) : Stream.never, record(`count ${n}`))
      )
    }
  })
  const console = Driver.make({
    client: "jumpstarter_driver_network.client.NetworkClient",
    methods: {
      // Sends its input back, followed by `bye`.
      connect: Driver.stream(
        Effect.gen(function*() {
          yield* record("connect")
          yield* Effect.addFinalizer(() => record("disconnect"))
          const said = yield* Mailbox.make<Uint8Array>()
          return {
            read: Mailbox.toStream(said),
            write: (bytes) => Effect.asVoid(said.offer(bytes)),
            end: Effect.zipRight(said.offer(utf8("bye")), Effect.asVoid(said.end))
          }
        })
      ),
      refused: Driver.stream(DriverFailure.make("Connection", "the port is taken")),
      // Fails after its first input, without output.
      fragile: Driver.stream(
        Effect.map(Deferred.make<never, DriverFailure.DriverFailure>(), (broken) => ({
          read: Stream.fromEffect(Deferred.await(broken)),
          write: () => Effect.asVoid(Deferred.fail(broken, DriverFailure.make("Device", "it broke"))),
          end: Effect.void
        }))
      ),
      // Sends text before it reads any input.
      greet: Driver.stream(
        Effect.succeed({ read: Stream.make(utf8("hello")), write: () => Effect.void, end: Effect.void })
      ),
      silent: Driver.stream(
        Effect.as(record("silent"), { read: Stream.never, write: () => Effect.never, end: Effect.void })
      )
    }
  })
  const storage = Driver.make({
    client: "jumpstarter_driver_opendal.client.StorageMuxClient",
    methods: {
      write: Driver.call(([handle], { resource }) =>
        Effect.gen(function*() {
          const { read } = yield* resource(handle)
          const bytes = yield* Stream.runFold(read, "", (text, chunk) => text + new TextDecoder().decode(chunk)).pipe(
            Effect.onError(() => record("write broke off"))
          )
          yield* record(`wrote ${bytes}`)
          return bytes.length
        }).pipe(Effect.scoped)
      ),
      // Treats incomplete input as complete.
      lenient: Driver.call(([handle], { resource }) =>
        Effect.flatMap(resource(handle), ({ read }) => Effect.ignore(Stream.runDrain(read))).pipe(
          Effect.zipRight(record("lenient")),
          Effect.scoped
        )
      ),
      memory: Driver.stream(
        Effect.succeed({
          read: Stream.never,
          write: (bytes) => record(`remember ${new TextDecoder().decode(bytes)}`),
          end: Effect.void
        })
      ),
      // Stops reading early.
      head: Driver.call(([handle, length], { resource }) =>
        Effect.gen(function*() {
          const { read } = yield* resource(handle)
          let text = ""
          yield* Stream.runForEachWhile(read, (chunk) =>
            Effect.sync(() => {
              text += new TextDecoder().decode(chunk)
              return text.length < Number(length)
            }))
          return text.slice(0, Number(length))
        }).pipe(Effect.scoped)
      ),
      read: Driver.call(([handle, text], { resource }) =>
        Effect.flatMap(
          resource(handle),
          ({ write }) => write(Stream.map(Stream.fromIterable(String(text).match(/.{1,4}/gs) ?? []), utf8))
        ).pipe(Effect.scoped)
      )
    }
  })
  return { drivers: { power: relay, console, storage, group: Driver.composite({ relay }) }, events }
})

/** Lets other fibers run until a condition holds, independently of the clock. */
export const eventually = (holds: () => boolean): Effect.Effect<void> =>
  Effect.yieldNow().pipe(
    Effect.repeat({ times: 10_000, until: () => Effect.sync(holds) }),
    Effect.zipRight(Effect.suspend(() => holds() ? Effect.void : Effect.dieMessage(`not true: ${holds}`)))
  )

/** Lets other fibers run as far as they can. */
export const settled: Effect.Effect<void> = Effect.repeatN(Effect.yieldNow(), 1_000)

/** Advances the test clock by a minute at a time until a program has ended. */
export const passTime = <A, E>(program: Fiber.RuntimeFiber<A, E>): Effect.Effect<A, E> =>
  Effect.suspend(() =>
    program.unsafePoll() === null
      ? TestClock.adjust("1 minute").pipe(
        Effect.zipRight(Effect.withClock(Effect.sleep("5 millis"), Clock.make())),
        Effect.zipRight(passTime(program))
      )
      : Fiber.join(program)
  )

export const power = ExporterConnection.driver("power")

/** Uploads text in pieces of four characters, and returns the driver's result. */
export const upload = (text: string, method = "write") =>
  Effect.gen(function*() {
    const storage = yield* ExporterConnection.driver("storage")
    const pieces = Stream.map(Stream.fromIterable(text.match(/.{1,4}/gs) ?? []), utf8)
    return yield* storage.call(method, yield* storage.resource(Resource.source(pieces)))
  }).pipe(Effect.scoped)

/** Downloads text that the driver is asked to send, and returns the received text and the outcome. */
export const download = (text: string) =>
  Effect.gen(function*() {
    const storage = yield* ExporterConnection.driver("storage")
    let received = ""
    const sink = Sink.forEach((bytes: Uint8Array) =>
      Effect.sync(() => {
        received += new TextDecoder().decode(bytes)
      })
    )
    const exit = yield* Effect.exit(
      Effect.flatMap(storage.resource(Resource.sink(sink)), (handle) => storage.call("read", handle, text)).pipe(
        Effect.scoped
      )
    )
    return { received, exit }
  })

/** The SHA-256 and the size of the received bytes. */
export const hashing = Sink.suspend(() => {
  const hash = createHash("sha256")
  let size = 0
  return Sink.map(
    Sink.forEach((bytes: Uint8Array) =>
      Effect.sync(() => {
        size += bytes.length
        hash.update(bytes)
      })
    ),
    () => ({ size, sha256: hash.digest("hex") })
  )
})

/** Sends text to the console, ends the input, and returns the received text and the outcome. */
export const converse = (...said: ReadonlyArray<string>) =>
  Effect.gen(function*() {
    const client = yield* ExporterConnection.driver("console")
    let heard = ""
    const exit = yield* Effect.exit(Effect.scoped(Effect.gen(function*() {
      const { end, read, write } = yield* client.stream("connect")
      const done = yield* Deferred.make<void>()
      yield* Effect.all([
        Stream.runForEach(read, (bytes) =>
          Effect.sync(() => {
            heard += new TextDecoder().decode(bytes)
          })).pipe(Effect.zipRight(Deferred.succeed(done, undefined))),
        Effect.zipRight(Effect.forEach(said, (text) => write(utf8(text))), end)
      ], { concurrency: "unbounded" })
    })))
    return { heard, exit }
  })

/** An outcome as a program that branches on it sees it. */
export const outcome = (exit: Exit.Exit<unknown, unknown>): unknown =>
  Exit.match(exit, {
    onSuccess: (value) => ({ value }),
    onFailure: (cause) => {
      const error = Option.getOrUndefined(Cause.failureOption(cause))
      return DriverError.isDriverCallError(error)
        ? `${error._tag} ${error.code} ${error.origin}: ${error.details}`
        : Cause.pretty(cause)
    }
  })

export const outcomeOf = <A, E, R>(effect: Effect.Effect<A, E, R>) => Effect.map(Effect.exit(effect), outcome)
