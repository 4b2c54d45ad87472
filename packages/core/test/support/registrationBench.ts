// An exporter that is registered with a lab in memory, and everything that it says to the controller. Clients reach it without a router.
import { ControllerServiceDefinition } from "@effect-jumpstarter/proto/jumpstarter/v1/jumpstarter"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import { setImmediate } from "node:timers"
import type * as ExporterConnection from "../../src/client/ExporterConnection.ts"
import type { ControllerError } from "../../src/controller/Controller.ts"
import type { GrpcHandlers } from "../../src/grpc/GrpcHandler.ts"
import type { GrpcStatusError } from "../../src/grpc/GrpcStatus.ts"
import * as Driver from "../../src/host/Driver.ts"
import type * as Exporter from "../../src/host/Exporter.ts"
import type { Dial } from "../../src/lease/opening.ts"
import * as exporterStatus from "../../src/protocol/ExporterStatus.ts"
import * as rpcs from "../../src/protocol/rpcs.ts"
import type * as ExporterRegistration from "../../src/registration/ExporterRegistration.ts"
import type { OfHook } from "../../src/registration/hook.ts"
import { Identity } from "../../src/registration/identity.ts"
import * as offer from "../../src/registration/offer.ts"
import * as ControllerTest from "../../src/testing/ControllerTest.ts"
import * as GrpcChannel from "../../src/transport/GrpcChannel.ts"
import { addClient } from "./controller.ts"

const { methods } = ControllerServiceDefinition

type Rpc = keyof typeof methods

/** Decides about an RPC of the exporter, and what it says, before the controller gets it. */
type Gate = (rpc: Rpc, text: string) => Effect.Effect<void, GrpcStatusError>

export interface Options<H = never>
  extends Partial<Omit<ExporterRegistration.RegistrationOptions<Driver.Driver, never, Scope.Scope, H>, "labels">>
{
  readonly gate?: Gate
  readonly labels?: Readonly<Record<string, string>>
}

export const ping = Driver.make({
  client: "none.Client",
  methods: { ping: Driver.call(() => Effect.succeed("pong")) }
})

const rpcOf = new Map(
  Object.entries(methods).map(([name, method]) => [rpcs.of(ControllerServiceDefinition, method), name as Rpc])
)

/** What an RPC of the exporter says, in short. */
const said = (rpc: Rpc, message: Uint8Array): string => {
  switch (rpc) {
    case "reportStatus": {
      const { message: text, releaseLease, status } = methods.reportStatus.requestType.decode(message)
      return `${exporterStatus.fromNumber(status)}: ${text}${releaseLease === true ? " (releases)" : ""}`
    }
    case "releaseLease":
      return "ReleaseLease"
    case "unregister":
      return `Unregister: ${methods.unregister.requestType.decode(message).reason}`
    default:
      return methods[rpc].name
  }
}

/** Adds what the exporter says to `seen`. */
const observing = (channel: GrpcChannel.Channel, seen: Array<string>, gate: Gate): GrpcChannel.Channel => {
  const passing = (rpc: string, message: Uint8Array): Effect.Effect<void, GrpcStatusError> =>
    Effect.suspend(() => {
      const name = rpcOf.get(rpc)
      if (name === undefined) return Effect.void
      const text = said(name, message)
      seen.push(text)
      return gate(name, text)
    })
  return {
    ...channel,
    unary: (rpc, message, options) => Effect.zipRight(passing(rpc, message), channel.unary(rpc, message, options)),
    serverStreaming: (rpc, message, options) =>
      Stream.zipRight(Stream.fromEffect(passing(rpc, message)), Stream.void).pipe(
        Stream.flatMap(() => channel.serverStreaming(rpc, message, options))
      )
  }
}

const always: Gate = () => Effect.void

export interface Bench {
  readonly lab: ControllerTest.Control
  readonly registration: ExporterRegistration.Registration
  /** What the exporter said to the controller, and what happened to it. */
  readonly seen: Array<string>
  /** Leads to the exporter. */
  readonly dial: Dial
  /** The handlers of the current lease. */
  readonly handlers: () => GrpcHandlers
}

/** Registers an exporter named `rpi` in the lab. */
export const registered = <H = never>(
  lab: ControllerTest.Control,
  identity: ExporterRegistration.IdentityService,
  { gate = always, ...options }: Options<H> = {}
): Effect.Effect<Bench, Exporter.ResetError | ControllerError, Exclude<H, OfHook> | Scope.Scope> =>
  Effect.gen(function*() {
    const seen: Array<string> = []
    let current: GrpcHandlers = new Map()
    const registration = yield* offer.register({ drivers: { power: ping }, localLogs: false, ...options }, {
      observe: (event) => Effect.sync(() => void seen.push(event)),
      open: (_, handlers) =>
        Effect.acquireRelease(
          Effect.sync(() => {
            current = handlers
          }),
          () =>
            Effect.sync(() => {
              current = new Map()
            })
        )
    }).pipe(
      Effect.provideService(Identity, { ...identity, controller: observing(identity.controller, seen, gate) })
    )
    return {
      lab,
      registration,
      seen,
      handlers: () => current,
      dial: (_, lease) => Effect.suspend(() => GrpcChannel.fromHandlers(current, { target: `lease ${lease}` }))
    }
  })

/** An exporter named `rpi` in a lab of its own. */
export const make = (
  options?: Options<ExporterConnection.ExporterConnection | ExporterRegistration.CurrentLease>
): Effect.Effect<Bench, unknown, Scope.Scope> =>
  Effect.gen(function*() {
    const lab = yield* ControllerTest.make()
    const identity = yield* Effect.orDie(Effect.flatMap(lab.addExporter("rpi"), lab.identityOf))
    return yield* registered(lab, identity, options)
  })

/** A client that leases the exporter, and lets it go, without connecting. */
export const client = (lab: ControllerTest.Control, name = "bob") =>
  Effect.map(addClient(lab, name), (raw) => ({
    ...raw,
    lease: raw.lease({ exporterName: "rpi" }),
    named: (lease: string) => raw.lease({ exporterName: "rpi" }, lease)
  }))

/** Lets everything happen that takes no time. */
export const settled: Effect.Effect<void> = Effect.repeatN(
  Effect.async<void>((resume) => void setImmediate(() => resume(Effect.void))),
  20
)
