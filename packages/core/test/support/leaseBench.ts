// A lab in memory with exporters that do what they should when they are leased, and a client of it.
import { ExporterServiceDefinition } from "@effect-jumpstarter/proto/jumpstarter/v1/jumpstarter"
import * as HttpClient from "@effect/platform/HttpClient"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Logger from "effect/Logger"
import * as Option from "effect/Option"
import * as Scope from "effect/Scope"
import * as TestClock from "effect/TestClock"
import * as Controller from "../../src/controller/Controller.ts"
import { GrpcHandler, type GrpcHandlers } from "../../src/grpc/GrpcHandler.ts"
import * as Driver from "../../src/host/Driver.ts"
import * as Exporter from "../../src/host/Exporter.ts"
import * as heldLease from "../../src/lease/heldLease.ts"
import type { LeaseRequest } from "../../src/lease/leaseRequest.ts"
import type { Dial } from "../../src/lease/opening.ts"
import * as terms from "../../src/lease/terms.ts"
import * as rpcs from "../../src/protocol/rpcs.ts"
import type * as ControllerTest from "../../src/testing/ControllerTest.ts"
import * as GrpcChannel from "../../src/transport/GrpcChannel.ts"
import { exporterOf, metadataOf, status } from "./controller.ts"
import * as fake from "./fakeController.ts"

const { endSession } = ExporterServiceDefinition.methods

/** The client of `lab` with this name; `through` is what its requests pass. */
export const clientOf = (
  lab: ControllerTest.Control,
  name: string,
  through: (channel: GrpcChannel.Channel) => GrpcChannel.Channel = (channel) => channel
): Effect.Effect<Controller.ControllerClient, never, Scope.Scope> =>
  Effect.flatMap(
    lab.addClient(name),
    ({ endpoint, namespace, token }) =>
      Controller.fromChannel(fake.config({ namespace, name, endpoint, token }), through(lab.controller))
  ).pipe(
    Effect.provideService(HttpClient.HttpClient, fake.noIssuer)
  )

const termsOf = (controller: Controller.ControllerClient, request: LeaseRequest) =>
  terms.ofRequest(controller, crypto.randomUUID(), request)

export const request = (controller: Controller.ControllerClient, request: LeaseRequest, dial: Dial) =>
  heldLease.request(termsOf(controller, request), dial)

export const acquire = (controller: Controller.ControllerClient, request: LeaseRequest, dial: Dial) =>
  heldLease.acquire(termsOf(controller, request), dial)

export interface BoardOptions {
  readonly labels?: Readonly<Record<string, string>>
  /** What its drivers do when `echo` is called. */
  readonly call?: Effect.Effect<string>
  /** Its hook after a lease. */
  readonly afterLease?: Effect.Effect<void>
}

export interface Board {
  readonly handlers: GrpcHandlers
  /** What happened to it. */
  readonly events: ReadonlyArray<string>
}

/** An exporter that is there. */
export const board = (
  lab: ControllerTest.Control,
  name: string,
  { afterLease, call = Effect.succeed("pong"), labels = {} }: BoardOptions = {}
): Effect.Effect<Board, unknown, Scope.Scope> =>
  Effect.gen(function*() {
    const events: Array<string> = []
    const note = (event: string) => Effect.sync(() => void events.push(event))
    const exporter = exporterOf(lab, metadataOf(yield* lab.addExporter(name, { labels })))
    const host = yield* Exporter.make(
      Driver.composite({ power: Driver.make({ client: "none.Client", methods: { ping: Driver.call(() => call) } }) })
    )
    const runHook = Effect.gen(function*() {
      yield* note("session ended")
      if (afterLease === undefined) return yield* host.setStatus("AVAILABLE")
      yield* host.setStatus("AFTER_LEASE_HOOK")
      yield* Effect.onInterrupt(afterLease, () => note("hook cut off"))
      yield* note("hook done")
      yield* host.setStatus("AVAILABLE")
    })
    const { next } = yield* exporter.online
    yield* Effect.forkScoped(Effect.forever(Effect.gen(function*() {
      const { leased } = yield* next
      yield* note(leased ? "leased" : "free")
      yield* host.setStatus(leased ? "LEASE_READY" : "AVAILABLE")
      yield* exporter.report(leased ? status.ready : status.available)
    })))
    const handlers = new Map(host.handlers)
    handlers.set(
      rpcs.ofExporter(endSession),
      GrpcHandler.Unary({
        handle: () =>
          Effect.as(
            Effect.forkDaemon(runHook),
            endSession.responseType.encode({ success: true, message: "" }).finish()
          )
      })
    )
    return { handlers, events }
  })

/** Leads to this board, whichever was leased. */
export const dialling = ({ handlers }: Board): Dial => (_, lease) =>
  GrpcChannel.fromHandlers(handlers, { target: `lease ${lease}` })

/** Runs a test on a clock that stands still, and lets time pass for what its scope has left to do. */
export const closing = <A, E>(test: Effect.Effect<A, E, Scope.Scope>): Effect.Effect<A, E> =>
  Effect.gen(function*() {
    const scope = yield* Scope.make()
    const exit = yield* Effect.exit(Scope.extend(test, scope))
    yield* inTime(Scope.close(scope, exit), 1000)
    return yield* exit
  })

/** Lets time pass until an effect has ended. */
export const inTime = <A, E, R>(effect: Effect.Effect<A, E, R>, step = 200): Effect.Effect<A, E, R> =>
  Effect.gen(function*() {
    const fiber = yield* Effect.fork(effect)
    while (Option.isNone(yield* Fiber.poll(fiber))) yield* TestClock.adjust(step)
    return yield* Fiber.join(fiber)
  })

/** Collects what is logged, each line with its level. */
export const logged = (messages: Array<string>) =>
  Logger.replace(
    Logger.defaultLogger,
    Logger.make(({ logLevel, message }) => {
      messages.push(`${logLevel.label} ${String(Array.isArray(message) ? message[0] : message)}`)
    })
  )
