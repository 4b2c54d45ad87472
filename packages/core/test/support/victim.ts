// The exporter that hostile peers attack (see hostileHost.ts), and its holdings.
import * as Cause from "effect/Cause"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import * as Schedule from "effect/Schedule"
import type * as Scope from "effect/Scope"
import { fork } from "node:child_process"
import type { DriverClient } from "../../src/client/DriverClient.ts"
import * as ExporterConnection from "../../src/client/ExporterConnection.ts"
import * as routerTunnel from "../../src/controller/routerTunnel.ts"
import * as Endpoint from "../../src/grpc/Endpoint.ts"
import type { GrpcCode } from "../../src/grpc/GrpcStatus.ts"
import type { DriverNotFound } from "../../src/protocol/DriverTree.ts"
import * as ControllerTest from "../../src/testing/ControllerTest.ts"
import * as certificates from "./certificates.ts"
import { type Tunnel, tunnel } from "./controller.ts"
import * as heap from "./heap.ts"
import * as program from "./program.ts"
import * as rawHttp2 from "./rawHttp2.ts"
import * as temporary from "./temporary.ts"

/** What it says when it is there: the ports on which it listens, if it does. */
export interface Ready {
  /** Cleartext. */
  readonly port: number
  readonly tlsPort: number
}

/** The identity of an exporter that registers. */
export interface Registers {
  readonly endpoint: string
  readonly namespace: string
  readonly name: string
  readonly token: string
  readonly ca: string
}

export interface Holdings {
  /** Devices that driver methods have open. */
  readonly devices: number
  /** Fibers of handlers, and of everything else if it is leased. */
  readonly fibers: number
  /** Connections over TCP. */
  readonly sockets: number
  readonly timers: number
  /** Reachable memory, on the heap and outside of it. */
  readonly bytes: number
}

export interface VictimService extends Ready {
  /** Its Unix socket, if it has one. */
  readonly path: string
  readonly holdings: Effect.Effect<Holdings>
  /** What it holds without any client. */
  readonly idle: Holdings
  /** The uuid of its driver. */
  readonly uuid: string
  /** Opens a byte stream to it. */
  readonly dial: rawHttp2.Dial
  /** Opens a tunnel to it, which speaks in frames of the router. */
  readonly tunnel: Effect.Effect<Tunnel, never, Scope.Scope>
  /** Connects to its driver as a client should. */
  readonly connect: Effect.Effect<
    DriverClient,
    ExporterConnection.ConnectError | DriverNotFound,
    Scope.Scope
  >
}

export class Victim extends Context.Tag("test/Victim")<Victim, VictimService>() {}

// A busy exporter takes a while on a busy machine.
const patient = { connectTimeout: "1 minute", handshakeTimeout: "1 minute" } as const

const start = (...args: ReadonlyArray<string>) =>
  Effect.gen(function*() {
    const child = yield* Effect.acquireRelease(
      Effect.sync(() =>
        fork(program.path("hostileHost"), args, {
          execArgv: ["--expose-gc"],
          // grpc-js reports metadata that it refuses on standard error.
          env: { ...process.env, ...heap.strict, GRPC_VERBOSITY: "NONE" }
        })
      ),
      (child) => Effect.sync(() => child.kill("SIGKILL"))
    )
    const next = <A>(): Effect.Effect<A> =>
      Effect.async((resume) => {
        const onMessage = (message: unknown) => {
          child.off("exit", onExit)
          resume(Effect.succeed(message as A))
        }
        const onExit = (code: number | null, signal: string | null) => {
          child.off("message", onMessage)
          resume(Effect.failCause(Cause.die(new Error(`the exporter ended with ${code ?? signal}`))))
        }
        child.once("message", onMessage).once("exit", onExit)
      })
    const ready = yield* next<Ready>()
    const holdings = Effect.zipRight(
      Effect.sync(() => child.send("measure")),
      next<Holdings>()
    )
    return { ...ready, holdings }
  })

/** It listens on sockets. */
export const listening = Layer.scoped(
  Victim,
  Effect.gen(function*() {
    const path = yield* temporary.socketPath
    const started = yield* start(path)
    const connect = Effect.flatMap(
      ExporterConnection.fromEndpoint(Endpoint.tcp("127.0.0.1", started.port), patient),
      ({ driver }) => driver("victim")
    )
    const idle = yield* started.holdings
    const { uuid } = yield* Effect.scoped(connect)
    return {
      ...started,
      path,
      idle,
      uuid,
      connect,
      dial: rawHttp2.dialPort(started.port),
      tunnel: Effect.dieMessage("it has no router")
    }
  }).pipe(Effect.orDie)
)

/** It is leased, and reached through the router of its lab, over TLS. */
export const leased = Layer.scoped(
  Victim,
  Effect.gen(function*() {
    const { ca, certificate } = yield* certificates.localhost
    const listen = { host: "127.0.0.1", port: 0, certificate }
    const lab = yield* ControllerTest.make({ listen: { controller: listen, router: listen }, latency: "none" })
    const { endpoint, name, namespace, token } = yield* lab.addExporter("victim")
    const identity: Registers = { endpoint, name, namespace, token: Redacted.value(token), ca }
    const started = yield* start("", JSON.stringify(identity))
    const controller = yield* Effect.flatMap(lab.addClient("mallory"), lab.controllerOf)
    const { name: lease } = yield* controller.createLease({ exporterName: "victim", duration: "1 day" })
    yield* Effect.repeat(lab.exporters, {
      until: ([exporter]) => exporter?.status === "LEASE_READY",
      schedule: Schedule.spaced("20 millis")
    })
    const lines = yield* routerTunnel.lines({ controller, lease })
    // A controller keeps few dials that the exporter has not received.
    const persistent = <A, E extends { readonly code: GrpcCode }, R>(dial: Effect.Effect<A, E, R>) =>
      Effect.orDie(Effect.retry(dial, { while: ({ code }) => code === "RESOURCE_EXHAUSTED" }))
    const connect = Effect.gen(function*() {
      const { connectTimeout, ...options } = patient
      const channel = yield* routerTunnel.channel({ controller, lease, connectTimeout })
      const { driver } = yield* ExporterConnection.fromChannel(channel, { ...options, leased: true })
      return yield* driver("victim")
    })
    const idle = yield* started.holdings
    const { uuid } = yield* Effect.scoped(connect)
    return {
      ...started,
      path: "",
      idle,
      uuid,
      connect,
      // The exporter speaks first, and some peers break rules that hold from then on.
      dial: Effect.tap(
        persistent(lines),
        (line) =>
          Effect.repeat(Effect.sync(() => line.readableLength > 0 || line.destroyed), {
            until: (isMet) => isMet,
            schedule: Schedule.spaced("2 millis")
          })
      ),
      tunnel: Effect.flatMap(
        persistent(controller.dial(lease)),
        ({ token }) => Effect.orDie(tunnel(lab, Redacted.value(token)))
      )
    }
  }).pipe(Effect.orDie)
)
