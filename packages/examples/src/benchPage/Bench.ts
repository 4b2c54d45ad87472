/** The bench as all open pages see it: what its devices say, and what they are asked to do. */
import { Device, DriverTree, ExporterConnection, Resource } from "@effect-jumpstarter/core"
import type { ByteStream, DriverClient, DriverError, LogEntry } from "@effect-jumpstarter/core"
import { Flasher, Power, Serial } from "@effect-jumpstarter/core/drivers"
import * as Cause from "effect/Cause"
import * as Clock from "effect/Clock"
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import * as Encoding from "effect/Encoding"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Option from "effect/Option"
import * as PubSub from "effect/PubSub"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import { createHash } from "node:crypto"
import { History } from "./History.ts"
import type { DriverFacts, FromPage, Numbered, Role, ToPage } from "./Messages.ts"

type Request = Exclude<FromPage, { readonly type: "token" }>

export interface Bench {
  /** What has happened until now, and then everything that happens. */
  readonly messages: Stream.Stream<Numbered>
  /** Does what a page asks for, except to flash. Says how it ended. */
  readonly perform: (request: Exclude<Request, { readonly type: "flash" }>) => Effect.Effect<ToPage | undefined>
  /** Writes the file to the device until it is done or cancelled, by any page. */
  readonly flash: (
    request: Extract<Request, { readonly type: "flash" }>,
    file: Stream.Stream<Uint8Array>
  ) => Effect.Effect<void>
}

const roles = new Map<string, Role>(
  ([["power", Power.contract], ["console", Serial.contract], ["flasher", Flasher.contract]] as const).flatMap(
    ([role, { alsoSpokenBy, client }]) => [client, ...alsoSpokenBy].map((label) => [label, role] as const)
  )
)

const pathOf = (driver: DriverClient.DriverClient): string => DriverTree.formatPath(driver.path)

const factsOf = (driver: DriverClient.DriverClient): ReadonlyArray<DriverFacts> => {
  const label = driver.labels[DriverTree.clientLabel] ?? ""
  const facts: DriverFacts = {
    path: pathOf(driver),
    label,
    description: Option.getOrElse(driver.description, () => ""),
    role: roles.get(label) ?? "other"
  }
  return [facts, ...[...driver.children.values()].flatMap(factsOf)]
}

const megabytes = (bytes: number): string => `${(bytes / 1e6).toFixed(1)} MB`

const readOnly = "this page only reads; start it with --write to use the devices"

const pause = Effect.sleep("1 second")

/** Watches the exporter of the connection until the scope closes. */
export const make = (
  { isWritable }: { readonly isWritable: boolean }
): Effect.Effect<Bench, never, ExporterConnection.ExporterConnection | Scope.Scope> =>
  Effect.gen(function*() {
    const connection = yield* ExporterConnection.ExporterConnection
    const history = new History()
    const news = yield* PubSub.sliding<Numbered>(8192)
    const publish = (message: ToPage): Effect.Effect<void> =>
      Effect.suspend(() => PubSub.publish(news, history.keep(message)))
    const stamped = (message: (time: number) => ToPage): Effect.Effect<void> =>
      Effect.flatMap(Clock.currentTimeMillis, (time) => publish(message(time)))

    const describe = Effect.suspend(() =>
      publish({
        type: "bench",
        address: connection.address,
        title: connection.labels["board"] ?? connection.labels["jumpstarter.dev/name"] ?? "A board",
        motd: connection.motd,
        labels: connection.labels,
        isWritable,
        drivers: factsOf(connection.root).filter(({ path }) => path !== "")
      })
    )

    const watchState = Stream.runForEach(connection.stateChanges, (state) =>
      stamped((time) => ({
        type: "state",
        time,
        state: state._tag,
        reason: "reason" in state ? state.reason : ""
      })).pipe(
        // Another exporter can be there after a loss, with other drivers.
        Effect.zipRight(state._tag === "Ready" ? describe : Effect.void)
      ))

    const watchStatus = Stream.runForEach(
      connection.statusChanges,
      ({ message, status }) => stamped((time) => ({ type: "status", time, status, message }))
    ).pipe(
      Effect.catchAll((error) =>
        stamped((time) => ({ type: "status", time, status: "UNKNOWN", message: error.message }))
      ),
      Effect.zipRight(pause),
      Effect.forever
    )

    const watchLog = Stream.runForEach(connection.logs, (event) => logged(event, publish))

    const watchPower = (driver: DriverClient.DriverClient) => {
      const path = pathOf(driver)
      return Device.fromInterface(driver, Power.contract).read().pipe(
        Stream.runForEach((reading) => stamped((time) => ({ type: "reading", path, time, ...reading }))),
        Effect.catchTag("MethodNotImplemented", () => Effect.never),
        // The state of the connection says why.
        Effect.ignore,
        Effect.zipRight(pause),
        Effect.forever
      )
    }

    const ports = new Map<string, ByteStream.ByteStream<DriverError.DriverCallError>>()

    const watchConsole = (driver: DriverClient.DriverClient) => {
      const path = pathOf(driver)
      const told = (isOpen: boolean, text: string) => publish({ type: "console", path, isOpen, text })
      return Effect.gen(function*() {
        const port = yield* Effect.acquireRelease(
          Effect.tap(driver.stream("connect"), (port) => Effect.sync(() => ports.set(path, port))),
          () => Effect.sync(() => ports.delete(path))
        )
        yield* told(true, "")
        yield* Stream.runForEach(
          port.read,
          (bytes) => publish({ type: "output", path, bytes: Encoding.encodeBase64(bytes) })
        )
      }).pipe(
        Effect.scoped,
        Effect.matchEffect({
          onFailure: ({ message }) => told(false, message),
          onSuccess: () => told(false, "the device has closed the port")
        }),
        Effect.zipRight(pause),
        Effect.forever
      )
    }

    yield* describe
    const drivers = yield* Effect.forEach(
      factsOf(connection.root).filter(({ role }) => role !== "other"),
      ({ path, role }) => Effect.map(Effect.orDie(connection.driver(path)), (driver) => ({ driver, role }))
    )
    const watches = [
      watchState,
      watchStatus,
      watchLog,
      ...drivers.flatMap(({ driver, role }) =>
        role === "power" ? [watchPower(driver)] : role === "console" && isWritable ? [watchConsole(driver)] : []
      )
    ]
    yield* Effect.forEach(watches, (watch) => Effect.forkScoped(watch), { discard: true })

    const power = (path: string, action: "on" | "off" | "cycle") =>
      Effect.gen(function*() {
        const supply = yield* Device.connect(Power.contract, path)
        yield* action === "cycle" ? Power.cycle(supply) : supply[action]()
        return outcome(true, `${path}: ${action}`)
      }).pipe(
        Effect.provideService(ExporterConnection.ExporterConnection, connection),
        Effect.catchAll(({ message }) => Effect.succeed(outcome(false, message)))
      )

    const input = (path: string, bytes: Uint8Array) =>
      Effect.suspend(() => {
        const port = ports.get(path)
        return port === undefined
          ? Effect.succeed(outcome(false, `the console ${path} is not open`))
          : port.write(bytes).pipe(
            Effect.as(undefined),
            Effect.catchAll(({ message }) => Effect.succeed(outcome(false, message)))
          )
      })

    const flashes = new Map<string, Fiber.RuntimeFiber<unknown, unknown>>()

    const write = (
      { name, path, size, target }: Extract<Request, { readonly type: "flash" }>,
      file: Stream.Stream<Uint8Array>
    ) =>
      Effect.gen(function*() {
        const hash = createHash("sha256")
        const begun = yield* Clock.currentTimeMillis
        let moved = 0
        const progress = (state: "running" | "done" | "failed" | "cancelled", text: string) =>
          publish({ type: "transfer", path, name, moved, size, state, text })
        const image = Resource.source(Stream.tap(file, (bytes) => Effect.sync(() => hash.update(bytes))), { size })
          .pipe(
            Resource.withProgress(Stream.runForEach(({ bytes }) =>
              Effect.suspend(() => {
                moved = bytes
                return progress("running", "")
              })
            ))
          )
        yield* progress("running", "")
        yield* Effect.flatMap(
          Device.connect(Flasher.contract, path),
          (flasher) => flasher.flash(image, target)
        ).pipe(
          Effect.provideService(ExporterConnection.ExporterConnection, connection),
          Effect.tap(() =>
            Effect.flatMap(Clock.currentTimeMillis, (now) =>
              progress(
                "done",
                `${megabytes(size)} in ${((now - begun) / 1000).toFixed(1)} s, sha256 ${hash.digest("hex")}`
              ))
          ),
          Effect.catchAll(({ message }) => progress("failed", message)),
          Effect.onExit((exit) =>
            Exit.isFailure(exit) && Cause.isInterruptedOnly(exit.cause)
              ? progress("cancelled", "the image on the device is incomplete")
              : Effect.void
          )
        )
      })

    const flash: Bench["flash"] = (request, file) =>
      Effect.suspend(() => {
        const { name, path, size } = request
        const refuse = (text: string) =>
          publish({ type: "transfer", path, name, moved: 0, size, state: "failed", text })
        if (!isWritable) return refuse(readOnly)
        if (flashes.has(path)) return refuse(`${path} is being written already`)
        return Effect.scoped(Effect.gen(function*() {
          const fiber = yield* Effect.forkScoped(write(request, file))
          flashes.set(path, fiber)
          yield* Effect.ensuring(Fiber.await(fiber), Effect.sync(() => flashes.delete(path)))
        }))
      })

    const perform: Bench["perform"] = (request) =>
      !isWritable
        ? Effect.succeed(outcome(false, readOnly))
        : request.type === "power"
        ? power(request.path, request.action)
        : request.type === "input"
        ? input(request.path, request.bytes)
        : Effect.suspend(() => {
          const fiber = flashes.get(request.path)
          return fiber === undefined ? Effect.succeed(undefined) : Effect.as(Fiber.interruptFork(fiber), undefined)
        })

    const messages = Stream.unwrapScoped(Effect.map(PubSub.subscribe(news), (queue) => {
      const past = history.messages
      const last = past.at(-1)?.number ?? 0
      const now: Numbered = { type: "now", number: last }
      return Stream.concat(
        Stream.fromIterable([...past, now]),
        Stream.filter(Stream.fromQueue(queue), ({ number }) => number > last)
      )
    }))

    return { messages, perform, flash }
  })

const outcome = (isGood: boolean, text: string): ToPage => ({ type: "outcome", isGood, text })

const logged = (event: LogEntry.LogEvent, publish: (message: ToPage) => Effect.Effect<void>) =>
  Effect.flatMap(Clock.currentTimeMillis, (now) =>
    publish(
      event._tag === "LogGap"
        ? { type: "log", time: now, level: "WARNING", source: "page", operation: "", text: "lines are missing here" }
        : {
          type: "log",
          time: Option.match(event.timestamp, { onNone: () => now, onSome: DateTime.toEpochMillis }),
          level: event.severity,
          source: event.source,
          operation: Option.getOrElse(event.operation, () => ""),
          text: event.message
        }
    ))
