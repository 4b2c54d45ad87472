// Finalizers and acquisitions are uninterruptible, and so are the fibers forked there unless they are made interruptible.
// The loser of a race, an effect past its time limit and a fiber of a closing scope would be awaited indefinitely.
import { assert, describe, it } from "@effect/vitest"
import { Cause, Deferred, Effect, Exit, Fiber, type Scope, Sink, Stream, TestClock } from "effect"
import * as net from "node:net"
import * as Device from "../../src/client/Device.ts"
import * as ExporterConnection from "../../src/client/ExporterConnection.ts"
import * as Flasher from "../../src/drivers/Flasher.ts"
import * as Network from "../../src/drivers/Network.ts"
import * as Serial from "../../src/drivers/Serial.ts"
import * as Ssh from "../../src/drivers/Ssh.ts"
import * as Endpoint from "../../src/grpc/Endpoint.ts"
import { GrpcHandler } from "../../src/grpc/GrpcHandler.ts"
import * as Driver from "../../src/host/Driver.ts"
import * as Exporter from "../../src/host/Exporter.ts"
import * as Resource from "../../src/resource/Resource.ts"
import * as ExporterTest from "../../src/testing/ExporterTest.ts"
import * as Faults from "../../src/testing/Faults.ts"
import * as FaultyExporter from "../../src/testing/FaultyExporter.ts"
import * as FlasherTest from "../../src/testing/FlasherTest.ts"
import * as SerialTest from "../../src/testing/SerialTest.ts"
import * as GrpcChannel from "../../src/transport/GrpcChannel.ts"
import * as bench from "../support/bench.ts"
import * as Probe from "../support/probe.ts"
import * as temporary from "../support/temporary.ts"

// Places to run an effect in. Each opens and closes what the effect needs, and returns its outcome unless it hangs.
const places = {
  "a finalizer": <A, E>(effect: Effect.Effect<A, E, Scope.Scope>) =>
    Effect.flatMap(Deferred.make<A, E>(), (outcome) =>
      Effect.zipRight(
        Effect.scoped(Effect.addFinalizer(() => Effect.intoDeferred(Effect.scoped(effect), outcome))),
        Deferred.await(outcome)
      )),
  "a finalizer of an interrupted fiber": <A, E>(effect: Effect.Effect<A, E, Scope.Scope>) =>
    Effect.gen(function*() {
      const outcome = yield* Deferred.make<A, E>()
      const started = yield* Deferred.make<void>()
      const fiber = yield* Deferred.succeed(started, undefined).pipe(
        Effect.zipRight(Effect.never),
        Effect.onInterrupt(() => Effect.intoDeferred(Effect.scoped(effect), outcome)),
        Effect.fork
      )
      yield* Deferred.await(started)
      yield* Fiber.interrupt(fiber)
      return yield* Deferred.await(outcome)
    }),
  "an acquisition": <A, E>(effect: Effect.Effect<A, E, Scope.Scope>) =>
    Effect.scoped(Effect.acquireRelease(effect, () => Effect.void))
}

// Runs in a fiber of its own, because a fiber that hangs there cannot be interrupted.
const soon = <A, E, R>(effect: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> =>
  Effect.flatMap(Effect.forkDaemon(effect), (fiber) =>
    Fiber.join(fiber).pipe(
      Effect.timeoutFail({ duration: "5 seconds", onTimeout: () => new Error("it hangs") }),
      Effect.catchIf((error): error is Error => error instanceof Error && error.message === "it hangs", Effect.die)
    ))

const everywhere = <A, E>(
  effect: Effect.Effect<A, E, Scope.Scope>,
  check: (outcome: Exit.Exit<A, E>) => void = (outcome) => assert.isTrue(Exit.isSuccess(outcome), String(outcome))
) => {
  for (const [name, place] of Object.entries(places)) {
    it.live(`in ${name}`, () => Effect.map(Effect.exit(soon(place(effect))), check))
  }
}

const bytes = new Uint8Array(100_000)

const withFlasher = <A, E>(use: (flasher: Flasher.Client) => Effect.Effect<A, E, Scope.Scope>) =>
  Effect.gen(function*() {
    const flasher = yield* FlasherTest.make()
    yield* flasher.setContent("default", bytes)
    return yield* Effect.provide(
      Effect.flatMap(Device.connect(Flasher.contract, "flasher"), use),
      ExporterTest.layer({ flasher: flasher.driver })
    )
  })

const withSerial = <A, E>(use: (serial: Serial.Client) => Effect.Effect<A, E, Scope.Scope>) =>
  Effect.flatMap(SerialTest.make({ prompt: "> " }), ({ driver }) =>
    Effect.provide(
      Effect.flatMap(Device.connect(Serial.contract, "serial"), use),
      ExporterTest.layer({ serial: driver })
    ))

const image = Resource.source(Stream.make(bytes))

describe("flashing ends", () => {
  everywhere(withFlasher((flasher) => flasher.flash(image)))
})

describe("dumping ends", () => {
  everywhere(withFlasher((flasher) => flasher.dump(Resource.sink(Sink.drain))))
})

describe("a streaming call with a resource ends", () => {
  const driver = Driver.make({
    client: "c",
    methods: {
      digest: Driver.streamingCall(([handle], { resource }) =>
        Stream.unwrapScoped(Effect.map(resource(handle), ({ read }) => Stream.map(read, (bytes) => bytes.length)))
      )
    }
  })
  everywhere(
    Effect.scoped(Effect.gen(function*() {
      const client = yield* ExporterConnection.driver("digest")
      const resource = yield* client.resource(image)
      return yield* Stream.runCollect(client.streamingCall("digest", resource))
    })).pipe(Effect.provide(ExporterTest.layer({ digest: driver })))
  )
})

describe("a console closes", () => {
  everywhere(withSerial((serial) => Effect.flatMap(Serial.console(serial), (console) => console.sendLine("exit"))))
})

describe("waiting for console output has a time limit", () => {
  everywhere(
    withSerial((serial) =>
      Effect.flatMap(Serial.console(serial), (console) => console.expect("nothing", { timeout: "50 millis" }))
    ),
    (outcome) => assert.include(String(outcome), "ExpectError")
  )
})

describe("a forwarded port closes", () => {
  everywhere(withSerial((serial) =>
    Effect.gen(function*() {
      const { port } = yield* Network.portForward(serial)
      const socket = net.connect(port, "127.0.0.1")
      yield* Effect.addFinalizer(() => Effect.sync(() => socket.destroy()))
      yield* Effect.async<void, Error>((resume) => {
        socket.once("data", () => resume(Effect.void))
        socket.on("error", (error) => resume(Effect.fail(error)))
        socket.write("\n")
      })
    })
  ))
})

const fails = <E>(error: E) => (outcome: Exit.Exit<unknown, unknown>) =>
  assert.isTrue(Exit.isFailure(outcome) && Array.from(Cause.failures(outcome.cause)).includes(error), String(outcome))

describe("two joined streams fail when one of them fails", () => {
  const broken = { read: Stream.fail("broken"), write: () => Effect.void, end: Effect.void }
  const silent = { read: Stream.never, write: () => Effect.void, end: Effect.void }
  everywhere(Network.join(broken, silent), fails("broken"))
})

describe("a login fails when the first of its calls fails", () => {
  const error = new Error("no username")
  const ssh: Ssh.Client = Object.assign(Object.create(null), {
    get_default_username: () => Effect.fail(error),
    get_ssh_command: () => Effect.never,
    get_ssh_identity: () => Effect.never
  })
  everywhere(Ssh.login(ssh), fails(error))
})

describe("connecting has a time limit", () => {
  const silent = Effect.acquireRelease(
    Effect.async<net.Server>((resume) => {
      const server = net.createServer(() => {})
      server.listen(0, "127.0.0.1", () => resume(Effect.succeed(server)))
    }),
    (server) => Effect.sync(() => server.close())
  )
  const portOf = (server: net.Server) => {
    const address = server.address()
    return typeof address === "object" && address !== null ? address.port : 0
  }
  const failed = (outcome: Exit.Exit<unknown, unknown>) =>
    assert.match(
      Exit.isFailure(outcome) ? Cause.pretty(outcome.cause) : "connected",
      /cannot connect to the exporter at \S+ \(Timeout\)/
    )

  for (const trust of [undefined, Endpoint.Trust.SystemRoots(), Endpoint.Trust.TrustOnFirstUse()]) {
    describe(trust === undefined ? "over TCP" : `over TLS, ${trust._tag}`, () => {
      everywhere(
        Effect.flatMap(silent, (server) => {
          const port = portOf(server)
          const endpoint = trust === undefined
            ? Endpoint.tcp("127.0.0.1", port)
            : Endpoint.tls("127.0.0.1", port, trust)
          return ExporterConnection.fromEndpoint(endpoint, { connectTimeout: "100 millis" })
        }),
        failed
      )
    })
  }

  describe("to an exporter that does not respond", () => {
    const never = GrpcHandler.Unary({ handle: () => Effect.never })
    const rpc = (name: string) => `/jumpstarter.v1.ExporterService/${name}`
    everywhere(
      Effect.flatMap(
        GrpcChannel.fromHandlers(new Map([[rpc("GetReport"), never], [rpc("GetStatus"), never]])),
        (channel) => ExporterConnection.fromChannel(channel, { handshakeTimeout: "100 millis" })
      ),
      failed
    )
  })
})

describe("an exporter served in an acquisition", () => {
  const hosts = {
    "on a socket": (exporter: Exporter.Exporter) =>
      Effect.flatMap(temporary.socketPath, (path) =>
        Effect.flatMap(
          Effect.acquireRelease(Exporter.serve(exporter, { path }), () => Effect.void),
          (endpoint) => GrpcChannel.fromEndpoint(endpoint)
        )),
    "in memory": (exporter: Exporter.Exporter) =>
      Effect.acquireRelease(GrpcChannel.fromHandlers(exporter.handlers), () => Effect.void)
  }
  for (const [name, serve] of Object.entries(hosts)) {
    it.live(`${name}, interrupts its drivers`, () =>
      soon(Effect.scoped(Effect.gen(function*() {
        const device = yield* Probe.make
        const exporter = yield* Exporter.make(
          Driver.make({ client: "c", methods: { hang: Driver.call(() => device.watch(Effect.never)) } })
        )
        const { root } = yield* Effect.flatMap(serve(exporter), (channel) => ExporterConnection.fromChannel(channel))
        const call = yield* Effect.fork(root.call("hang"))
        yield* device.started
        yield* Fiber.interrupt(call)
        yield* device.finalized
      }))))
  }
})

describe("a planned fault happens to a call", () => {
  everywhere(
    Effect.gen(function*() {
      const exporter = yield* FaultyExporter.FaultyExporter
      yield* exporter.next({ driver: "power", method: "hang" }, Faults.drop({ time: "20 millis" }))
      return yield* Effect.flatMap(ExporterConnection.driver("power"), (power) => power.call("hang"))
    }).pipe(Effect.provide(FaultyExporter.layer(bench.drivers()))),
    (outcome) => assert.include(String(outcome), "ConnectionLost")
  )
})

describe("on a test's clock, in a finalizer", () => {
  const connected = (status?: "AVAILABLE") =>
    Effect.gen(function*() {
      const exporter = yield* bench.host(bench.drivers(), { status })
      const connection = yield* ExporterConnection.fromChannel(exporter.channel, {
        leased: true,
        readyTimeout: "3 seconds"
      })
      return { exporter, connection, power: yield* connection.driver("power") }
    })
  const ends = Effect.fnUntraced(
    function*<A, E>(effect: Effect.Effect<A, E>, meanwhile: Effect.Effect<void> = Effect.void) {
      const fiber = yield* Effect.forkDaemon(Effect.exit(places["a finalizer"](effect)))
      yield* Effect.zipRight(TestClock.adjust("1 second"), bench.settle)
      yield* meanwhile
      yield* Effect.zipRight(TestClock.adjust("20 seconds"), bench.settle)
      const exit = fiber.unsafePoll()
      return exit === null ? assert.fail("it hangs") : yield* Fiber.join(fiber)
    }
  )

  it.scoped("ending a session has a time limit", () =>
    Effect.gen(function*() {
      const { connection, exporter } = yield* connected()
      exporter.answer("EndSession", Effect.never)
      assert.deepInclude(
        yield* ends(connection.endSession),
        Exit.succeed({ ended: true, message: "no answer within 5s" })
      )
    }))

  it.scoped("requesting the status has a deadline", () =>
    Effect.gen(function*() {
      const { connection, exporter, power } = yield* connected("AVAILABLE")
      exporter.answer("GetStatus", Effect.never)
      assert.include(String(yield* ends(connection.status)), "DEADLINE_EXCEEDED")
      // The call requests the status first.
      assert.isTrue(Exit.isFailure(yield* ends(power.call("on"))))
    }))

  it.scoped("awaiting a status has a time limit, and may end through a hook", () =>
    Effect.gen(function*() {
      const { connection, exporter } = yield* connected()
      assert.include(String(yield* ends(connection.awaitStatus("AVAILABLE"))), "readyTimeout")
      yield* exporter.setStatus("AFTER_LEASE_HOOK")
      const reached = yield* ends(connection.awaitStatus("AVAILABLE"), exporter.setStatus("AVAILABLE"))
      assert.isTrue(Exit.isSuccess(reached), String(reached))
    }))

  it.scoped("a failed call does not wait for the report that would explain the failure", () =>
    Effect.gen(function*() {
      const { exporter, power } = yield* connected()
      exporter.answer("GetReport", Effect.never)
      assert.include(String(yield* ends(power.call("nope"))), "MethodNotImplemented")
    }))
})
