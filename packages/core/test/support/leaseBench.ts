// A lab in memory with exporters that do what they should when they are leased, and a client of it.
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Logger from "effect/Logger"
import * as Option from "effect/Option"
import * as Scope from "effect/Scope"
import * as TestClock from "effect/TestClock"
import type * as Controller from "../../src/controller/Controller.ts"
import type { GrpcHandlers } from "../../src/grpc/GrpcHandler.ts"
import * as Driver from "../../src/host/Driver.ts"
import type * as Exporter from "../../src/host/Exporter.ts"
import * as heldLease from "../../src/lease/heldLease.ts"
import type { LeaseRequest } from "../../src/lease/leaseRequest.ts"
import type { Dial } from "../../src/lease/opening.ts"
import * as terms from "../../src/lease/terms.ts"
import { Identity } from "../../src/registration/identity.ts"
import * as offer from "../../src/registration/offer.ts"
import * as client from "../../src/testing/controller/client.ts"
import type * as ControllerTest from "../../src/testing/ControllerTest.ts"
import * as GrpcChannel from "../../src/transport/GrpcChannel.ts"

/** The client of `lab` with this name; `through` is what its requests pass. */
export const clientOf = (
  lab: ControllerTest.Control,
  name: string,
  through: (channel: GrpcChannel.Channel) => GrpcChannel.Channel = (channel) => channel
) =>
  Effect.flatMap(
    lab.addClient(name),
    (credentials) => client.make({ ...credentials, controller: through(lab.controller), router: lab.router })
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
  /** Of the current lease. */
  readonly handlers: () => GrpcHandlers
  /** What happened to it. */
  readonly events: ReadonlyArray<string>
}

/** An exporter that is there. */
export const board = (
  lab: ControllerTest.Control,
  name: string,
  { afterLease, call = Effect.succeed("pong"), labels = {} }: BoardOptions = {}
): Effect.Effect<Board, Controller.ControllerError | Exporter.ResetError, Scope.Scope> =>
  Effect.gen(function*() {
    const events: Array<string> = []
    const note = (event: string) => Effect.sync(() => void events.push(event))
    const power = Driver.make({ client: "none.Client", methods: { ping: Driver.call(() => call) } })
    let current: GrpcHandlers = new Map()
    yield* offer.register(
      {
        drivers: { power },
        localLogs: false,
        hooks: { afterLease: afterLease && { run: Effect.zipRight(afterLease, note("hook done")) } }
      },
      {
        observe: note,
        open: (_, handlers) =>
          Effect.sync(() => {
            current = handlers
          })
      }
    ).pipe(
      Effect.provideServiceEffect(
        Identity,
        Effect.orDie(Effect.flatMap(lab.addExporter(name, { labels }), lab.identityOf))
      )
    )
    return { handlers: () => current, events }
  })

/** Leads to this board, whichever was leased. */
export const dialling = ({ handlers }: Board): Dial => (_, lease) =>
  Effect.suspend(() => GrpcChannel.fromHandlers(handlers(), { target: `lease ${lease}` }))

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
