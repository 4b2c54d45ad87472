import { assert, describe, it } from "@effect/vitest"
import { Deferred, Effect, Exit, Fiber, Redacted, Ref, Schedule, Scope, Stream } from "effect"
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, statSync, watch } from "node:fs"
import { writeFile } from "node:fs/promises"
import { createServer, type Server } from "node:net"
import { dirname, join } from "node:path"
import * as Endpoint from "../../src/grpc/Endpoint.ts"
import { GrpcHandler } from "../../src/grpc/GrpcHandler.ts"
import type { GrpcStatusError } from "../../src/grpc/GrpcStatus.ts"
import * as Metadata from "../../src/grpc/Metadata.ts"
import * as GrpcChannel from "../../src/transport/GrpcChannel.ts"
import * as GrpcServer from "../../src/transport/GrpcServer.ts"
import { text, utf8 } from "../support/bytes.ts"
import { selfSigned } from "../support/certificates.ts"
import { messages } from "../support/messages.ts"
import * as Probe from "../support/probe.ts"
import * as serverProcess from "../support/serverProcess.ts"
import * as temporary from "../support/temporary.ts"
import { transports } from "../support/transports.ts"

const echo = new Map<string, GrpcHandler>([["/test.Service/Echo", GrpcHandler.Unary({ handle: Effect.succeed })]])

const ask = (channel: GrpcChannel.Channel) => Effect.map(channel.unary("/test.Service/Echo", utf8("hello")), text)

const localhost = { host: "127.0.0.1", port: 0 } as const

// A TCP server that accepts connections and never sends anything.
const silentServer = Effect.acquireRelease(
  Effect.async<{ readonly server: Server; readonly port: number }>((resume) => {
    const server = createServer()
    server.listen(0, "127.0.0.1", () => {
      const address = server.address()
      resume(Effect.succeed({ server, port: typeof address === "object" && address !== null ? address.port : 0 }))
    })
  }),
  ({ server }) => Effect.sync(() => server.close())
)

// A port without a listener: the system has just assigned it, and it was released.
const freePort = Effect.scoped(Effect.map(silentServer, ({ port }) => port))

describe("GrpcServer", () => {
  it.scopedLive("returns an endpoint that clients can connect to", () =>
    Effect.gen(function*() {
      const any = yield* GrpcServer.serve(echo, { host: "0.0.0.0", port: 0, insecure: true })
      assert.strictEqual(any._tag === "Tcp" ? any.host : "", "127.0.0.1")
      assert.strictEqual(yield* ask(yield* GrpcChannel.fromEndpoint(any)), "hello")
      const path = yield* temporary.socketPath
      assert.deepStrictEqual(yield* GrpcServer.serve(echo, { path }), Endpoint.unix(path))
    }))

  it.scopedLive("releases the address when the scope closes", () =>
    Effect.gen(function*() {
      const path = yield* temporary.socketPath
      for (let round = 0; round < 2; round++) {
        yield* Effect.scoped(Effect.gen(function*() {
          const endpoint = yield* GrpcServer.serve(echo, { path })
          assert.strictEqual(yield* ask(yield* GrpcChannel.fromEndpoint(endpoint)), "hello")
        }))
        assert.isFalse(existsSync(path))
      }
      const first = yield* Effect.scoped(GrpcServer.serve(echo, localhost))
      const port = first._tag === "Tcp" ? first.port : 0
      yield* GrpcServer.serve(echo, { ...localhost, port })
    }))

  describe("a Unix socket", () => {
    const modeOf = (path: string) => statSync(path).mode & 0o777

    it.scopedLive("is private to its user by default, and leaves no other file beside it", () =>
      Effect.gen(function*() {
        const path = yield* temporary.socketPath
        const endpoint = yield* GrpcServer.serve(echo, { path })
        assert.strictEqual(modeOf(path), 0o600)
        assert.deepStrictEqual(readdirSync(dirname(path)), ["s"])
        assert.strictEqual(yield* ask(yield* GrpcChannel.fromEndpoint(endpoint)), "hello")
        const other = `${path}2`
        yield* GrpcServer.serve(echo, { path: other, mode: 0o660 })
        assert.strictEqual(modeOf(other), 0o660)
      }))

    it.scopedLive("never has wider permissions, not even while it is created", () =>
      Effect.gen(function*() {
        const directory = yield* temporary.directory
        // A watcher sees the mode of each socket when it appears, and of the directory it is created in.
        const [sockets, directories] = [new Set<number>(), new Set<number>()]
        const watcher = watch(directory, (_, name) => {
          const found = statSync(join(directory, name ?? ""), { throwIfNoEntry: false })
          if (found !== undefined && name !== null) {
            const modes = found.isSocket() ? sockets : directories
            modes.add(found.mode & 0o777)
          }
        })
        yield* Effect.addFinalizer(() => Effect.sync(() => watcher.close()))
        for (let round = 0; round < 20; round++) {
          yield* GrpcServer.serve(echo, { path: join(directory, `s${round}`) })
        }
        // The watcher's events need turns of the event loop.
        yield* Effect.yieldNow().pipe(Effect.repeat({ until: () => sockets.size > 0 }), Effect.timeout("5 seconds"))
        assert.deepStrictEqual([...sockets], [0o600])
        assert.isTrue([...directories].every((mode) => mode === 0o700))
      }))

    it.scopedLive("can have the longest possible path", () =>
      Effect.gen(function*() {
        const directory = yield* temporary.directory
        const room = join(directory, "x".repeat(103 - Buffer.byteLength(directory) - 1 - 2))
        mkdirSync(room)
        const long = join(room, "s")
        assert.strictEqual(Buffer.byteLength(long), 103)
        const endpoint = yield* GrpcServer.serve(echo, { path: long })
        assert.strictEqual(modeOf(long), 0o600)
        assert.strictEqual(yield* ask(yield* GrpcChannel.fromEndpoint(endpoint)), "hello")
      }))

    it.scopedLive("is removed only by its own server", () =>
      Effect.gen(function*() {
        const path = yield* temporary.socketPath
        const scope = yield* Scope.make()
        yield* Scope.extend(GrpcServer.serve(echo, { path }), scope)
        // Another server replaces the socket.
        rmSync(path)
        const endpoint = yield* GrpcServer.serve(echo, { path })
        yield* Scope.close(scope, Exit.void)
        assert.strictEqual(yield* ask(yield* GrpcChannel.fromEndpoint(endpoint)), "hello")
      }))

    it.scopedLive("never replaces another file", () =>
      Effect.gen(function*() {
        const path = yield* temporary.socketPath
        yield* Effect.promise(() => writeFile(path, "precious"))
        const error = yield* Effect.flip(GrpcServer.serve(echo, { path }))
        assert.include(error.details, "EADDRINUSE")
        assert.strictEqual(readFileSync(path, "utf8"), "precious")
        assert.deepStrictEqual(readdirSync(dirname(path)), ["s"])
      }))

    it.scopedLive.each([-1, 0o1000, NaN, 0.5])("has no mode %d", (mode) =>
      Effect.gen(function*() {
        const error = yield* Effect.flip(GrpcServer.serve(echo, { path: yield* temporary.socketPath, mode }))
        assert.match(error.details, /is not a file mode such as 0o660$/)
      }))
  })

  describe("where other machines can connect", () => {
    for (const host of ["0.0.0.0", "::", "192.0.2.1", "bench-3.lab"]) {
      it.scopedLive(`refuses to serve without TLS on ${host} by default`, () =>
        Effect.gen(function*() {
          const error = yield* Effect.flip(GrpcServer.serve(echo, { host, port: 0 }))
          assert.match(
            error.details,
            /without TLS; pass a `certificate`, listen on 127\.0\.0\.1, or set `insecure: true`$/
          )
        }))
    }

    for (const host of ["127.0.0.1", "127.0.0.2", "::1", "localhost"]) {
      it.scopedLive(`does not include ${host}`, () => GrpcServer.serve(echo, { host, port: 0 }))
    }

    it.scopedLive("is served with TLS", () =>
      Effect.gen(function*() {
        const { certificate } = yield* selfSigned("bench-3.lab")
        yield* GrpcServer.serve(echo, { host: "0.0.0.0", port: 0, certificate })
      }))
  })

  describe("fails to start", () => {
    it.scopedLive("on a port that is taken", () =>
      Effect.gen(function*() {
        const { port } = yield* silentServer
        const error = yield* Effect.flip(GrpcServer.serve(echo, { ...localhost, port }))
        assert.strictEqual(error._tag, "GrpcServerError")
        assert.strictEqual(error.address, `127.0.0.1:${port}`)
        assert.include(error.message, `cannot listen on 127.0.0.1:${port}`)
        assert.include(error.details, "EADDRINUSE")
      }))

    it.scopedLive("on a socket that is taken", () =>
      Effect.gen(function*() {
        const path = yield* temporary.socketPath
        const endpoint = yield* GrpcServer.serve(echo, { path })
        const error = yield* Effect.flip(GrpcServer.serve(echo, { path }))
        assert.strictEqual(error.address, path)
        assert.include(error.details, "EADDRINUSE")
        // The server that has the socket is not affected.
        assert.strictEqual(yield* ask(yield* GrpcChannel.fromEndpoint(endpoint)), "hello")
      }))

    it.scopedLive("in a directory that does not exist", () =>
      Effect.gen(function*() {
        const path = join(yield* temporary.directory, "nowhere", "s")
        const error = yield* Effect.flip(GrpcServer.serve(echo, { path }))
        assert.strictEqual(error.address, path)
        assert.strictEqual(error.details, `the directory ${dirname(path)} does not exist`)
      }))

    it.scopedLive("at an invalid path", () =>
      Effect.gen(function*() {
        const directory = yield* temporary.directory
        const error = yield* Effect.flip(GrpcServer.serve(echo, { path: join(directory, "x".repeat(120)) }))
        assert.match(error.details, /^the path has \d+ bytes, and the path of a Unix socket has at most 10[37]$/)
        // Node would listen under a truncated path.
        assert.deepStrictEqual(readdirSync(directory), [])
      }))

    it.scopedLive("with an invalid certificate", () =>
      Effect.gen(function*() {
        const certificate = { chain: "-----BEGIN NONSENSE-----", privateKey: Redacted.make("sesame") }
        const error = yield* Effect.flip(GrpcServer.serve(echo, { ...localhost, certificate }))
        assert.strictEqual(error._tag, "GrpcServerError")
        assert.notInclude(error.message, "sesame")
      }))
  })

  describe.each(transports.filter(({ name }) => name !== "memory"))("closing over $name", (transport) => {
    it.scopedLive("interrupts the handlers, waits for their finalizers and tells the callers", () =>
      Effect.gen(function*() {
        const [unary, streaming, duplex] = yield* Effect.all([Probe.make, Probe.make, Probe.make])
        const scope = yield* Scope.make()
        const open = yield* Scope.extend(
          transport.serve(
            new Map<string, GrpcHandler>([
              ["/t.S/U", GrpcHandler.Unary({ handle: () => unary.watch(Effect.never) })],
              [
                "/t.S/S",
                GrpcHandler.ServerStreaming({ handle: () => Stream.fromEffect(streaming.watch(Effect.never)) })
              ],
              ["/t.S/D", GrpcHandler.Duplex({ handle: () => duplex.watch(Effect.never) })]
            ])
          ),
          scope
        )
        const channel = yield* open()
        const calls = yield* Effect.forEach([
          Effect.asVoid(channel.unary("/t.S/U", utf8(""))),
          Stream.runDrain(channel.serverStreaming("/t.S/S", utf8(""))),
          Effect.scoped(Effect.flatMap(channel.duplex("/t.S/D"), ({ status }) => status))
        ], Effect.fork)
        yield* Effect.all([unary.started, streaming.started, duplex.started])
        yield* Scope.close(scope, Exit.void)
        for (const { finalizations } of [unary, streaming, duplex]) assert.strictEqual(yield* finalizations, 1)
        for (const call of calls) {
          const { code, details, origin } = yield* Effect.flip(Fiber.join(call))
          assert.deepStrictEqual({ code, details, origin }, {
            code: "UNAVAILABLE",
            details: "the exporter is shutting down",
            origin: "peer"
          })
        }
      }))

    it.scopedLive("does not wait long for a caller that does not read its responses", () =>
      Effect.gen(function*() {
        const sent = yield* Deferred.make<void>()
        const scope = yield* Scope.make()
        const open = yield* Scope.extend(
          transport.serve(
            new Map<string, GrpcHandler>([[
              "/t.S/D",
              GrpcHandler.Duplex({
                handle: ({ send }) =>
                  Effect.zipRight(
                    Effect.zipRight(send(new Uint8Array(1)), Deferred.succeed(sent, undefined)),
                    Effect.forever(send(new Uint8Array(1024 * 1024)))
                  )
              })
            ]])
          ),
          scope
        )
        const channel = yield* open()
        const call = yield* channel.duplex("/t.S/D")
        yield* Deferred.await(sent)
        yield* Scope.close(scope, Exit.void).pipe(
          Effect.timeoutFail({ duration: "4 seconds", onTimeout: () => "closing hangs" as const })
        )
        yield* Effect.flip(Stream.runDrain(messages(call.receive)))
      }))
  })

  describe("a process that is killed", () => {
    const within = Effect.timeoutFail({ duration: "5 seconds", onTimeout: () => "nothing within 5 seconds" as const })

    const lost = (call: Effect.Effect<unknown, GrpcStatusError | "nothing within 5 seconds">) =>
      Effect.map(Effect.flip(call), (error) => {
        if (typeof error === "string") return assert.fail(error)
        assert.strictEqual(error.origin, "transport", error.message)
        assert.strictEqual(error.code, "UNAVAILABLE")
      })

    for (const kind of ["unix", "tcp"] as const) {
      it.scopedLive(
        `is a lost connection over ${kind}, for every call in flight and every later one`,
        () =>
          Effect.gen(function*() {
            const { endpoint, kill } = yield* kind === "tcp"
              ? serverProcess.start("tcp")
              : Effect.flatMap(temporary.socketPath, (path) => serverProcess.start("unix", path))
            const channel = yield* GrpcChannel.fromEndpoint(endpoint)
            assert.strictEqual(yield* ask(channel), "hello")
            const hanging = yield* Effect.fork(channel.unary("/test.Service/Hang", utf8("")))
            const streaming = yield* Stream.toPull(channel.serverStreaming("/test.Service/Stream", utf8("")))
            assert.deepStrictEqual(Array.from(yield* streaming, text), ["first"])
            const duplex = yield* channel.duplex("/test.Service/Duplex")
            assert.deepStrictEqual(Array.from(yield* duplex.receive, text), ["first"])
            const silent = yield* channel.duplex("/test.Service/Silent")
            yield* silent.send(utf8("a"))
            // All four have reached the server when a later call is answered.
            yield* ask(channel)
            yield* kill
            yield* Effect.all([
              lost(within(Fiber.join(hanging))),
              lost(
                within(
                  Effect.mapError(
                    streaming,
                    (error) => error._tag === "Some" ? error.value : "nothing within 5 seconds"
                  )
                )
              ),
              lost(
                within(
                  Effect.mapError(
                    duplex.receive,
                    (error) => error._tag === "Some" ? error.value : "nothing within 5 seconds"
                  )
                )
              ),
              lost(within(duplex.status)),
              lost(within(silent.initialMetadata)),
              lost(within(silent.status))
            ], { concurrency: "unbounded" })
            yield* lost(within(duplex.send(utf8("late"))))
            yield* lost(ask(channel))
          }),
        20_000
      )
    }

    it.scopedLive("is connected again by the next call once it is back", () =>
      Effect.gen(function*() {
        const path = yield* temporary.socketPath
        const channel = yield* GrpcChannel.fromEndpoint(Endpoint.unix(path))
        for (let round = 0; round < 3; round++) {
          yield* Effect.scoped(Effect.zipRight(GrpcServer.serve(echo, { path }), ask(channel)))
        }
      }))

    it.scopedLive("is connected again after calls that could not connect", () =>
      Effect.gen(function*() {
        const path = yield* temporary.socketPath
        const channel = yield* GrpcChannel.fromEndpoint(Endpoint.unix(path))
        yield* lost(ask(channel))
        yield* lost(ask(channel))
        yield* GrpcServer.serve(echo, { path })
        // grpc-js chooses the time between its attempts, in real time; it begins with a second.
        const answer = yield* Effect.retry(ask(channel), { schedule: Schedule.spaced("50 millis"), times: 100 })
        assert.strictEqual(answer, "hello")
      }))
  })
})

describe("an address that cannot be reached", () => {
  const unreachable = (endpoint: Endpoint.Endpoint, options?: GrpcChannel.ChannelOptions) =>
    Effect.scoped(Effect.flip(Effect.flatMap(GrpcChannel.fromEndpoint(endpoint, options), ask)))

  const isUnreachable = (error: GrpcStatusError, endpoint: Endpoint.Endpoint) => {
    assert.strictEqual(error.origin, "transport", error.message)
    assert.strictEqual(error.code, "UNAVAILABLE")
    assert.strictEqual(error.target, Endpoint.format(endpoint))
    assert.include(error.message, Endpoint.format(endpoint))
    assert.notStrictEqual(error.details, "")
  }

  it.live("because the port refuses connections", () =>
    Effect.gen(function*() {
      const endpoint = Endpoint.tcp("127.0.0.1", yield* freePort)
      isUnreachable(yield* unreachable(endpoint), endpoint)
    }))

  it.scopedLive("because the socket does not exist", () =>
    Effect.gen(function*() {
      const endpoint = Endpoint.unix(yield* temporary.socketPath)
      isUnreachable(yield* unreachable(endpoint), endpoint)
    }))

  it.scopedLive("because the socket is a file", () =>
    Effect.gen(function*() {
      const path = yield* temporary.socketPath
      yield* Effect.promise(() => writeFile(path, ""))
      isUnreachable(yield* unreachable(Endpoint.unix(path)), Endpoint.unix(path))
    }))

  it.live("because the name does not resolve", () =>
    Effect.gen(function*() {
      const endpoint = Endpoint.tcp("nowhere.invalid", 1)
      isUnreachable(yield* unreachable(endpoint), endpoint)
    }))

  it.live("because the port refuses the connection that reads the certificate", () =>
    Effect.gen(function*() {
      const endpoint = Endpoint.tls("127.0.0.1", yield* freePort, Endpoint.Trust.TrustOnFirstUse())
      isUnreachable(yield* unreachable(endpoint), endpoint)
    }))

  const silent: ReadonlyArray<readonly [string, (port: number) => Endpoint.Endpoint]> = [
    ["tcp", (port) => Endpoint.tcp("127.0.0.1", port)],
    ["tls", (port) => Endpoint.tls("127.0.0.1", port)],
    ["tls, trusted on first use", (port) => Endpoint.tls("127.0.0.1", port, Endpoint.Trust.TrustOnFirstUse())]
  ]
  for (const [name, endpointOf] of silent) {
    it.scopedLive(`because the server does not respond within the connect timeout (${name})`, () =>
      Effect.gen(function*() {
        const { port } = yield* silentServer
        const endpoint = endpointOf(port)
        const error = yield* unreachable(endpoint, { connectTimeout: "300 millis" }).pipe(
          Effect.timeoutFail({ duration: "3 seconds", onTimeout: () => new Error("the connect timeout did nothing") })
        )
        isUnreachable(error, endpoint)
      }))
  }
})

describe("TLS", () => {
  const serveTls = (...names: ReadonlyArray<string>) =>
    Effect.gen(function*() {
      const { ca, certificate } = yield* selfSigned(...names)
      const endpoint = yield* GrpcServer.serve(echo, { ...localhost, certificate })
      return { ca, port: endpoint._tag === "Tls" ? endpoint.port : 0 }
    })

  const outcome = (host: string, port: number, trust?: Endpoint.Trust) =>
    Effect.scoped(Effect.flatMap(GrpcChannel.fromEndpoint(Endpoint.tls(host, port, trust)), ask))

  const { CertificateAuthority, TrustOnFirstUse } = Endpoint.Trust

  it.scopedLive("accepts an authority as PEM, and as base64 of PEM", () =>
    Effect.gen(function*() {
      const { ca, port } = yield* serveTls("localhost")
      assert.strictEqual(yield* outcome("localhost", port, CertificateAuthority({ ca })), "hello")
      const base64 = Buffer.from(ca).toString("base64")
      assert.strictEqual(yield* outcome("localhost", port, CertificateAuthority({ ca: base64 })), "hello")
    }))

  it.scopedLive("refuses a server of another authority, and says so", () =>
    Effect.gen(function*() {
      const { port } = yield* serveTls("localhost")
      const { ca } = yield* selfSigned("localhost")
      const error = yield* Effect.flip(outcome("localhost", port, CertificateAuthority({ ca })))
      assert.strictEqual(error.origin, "transport")
      assert.match(error.message, /self-signed certificate|unable to verify/)
    }))

  it.scopedLive("refuses an authority that cannot be read, before anything is sent", () =>
    Effect.gen(function*() {
      const { port } = yield* serveTls("localhost")
      for (const ca of ["", "nonsense", "-----BEGIN CERTIFICATE-----\nnonsense\n-----END CERTIFICATE-----\n"]) {
        const error = yield* Effect.flip(outcome("localhost", port, CertificateAuthority({ ca })))
        assert.strictEqual(error.code, "INVALID_ARGUMENT")
        assert.strictEqual(error.origin, "client")
        assert.include(error.details, "certificate authority")
      }
    }))

  it.scopedLive("checks the host name when an authority is given", () =>
    Effect.gen(function*() {
      const { ca, port } = yield* serveTls("exporter.example")
      const error = yield* Effect.flip(outcome("localhost", port, CertificateAuthority({ ca })))
      assert.strictEqual(error.origin, "transport")
      assert.match(error.message, /altnames|Hostname/)
    }))

  it.scopedLive("does not trust a self-signed certificate by default", () =>
    Effect.gen(function*() {
      const { port } = yield* serveTls("localhost")
      const error = yield* Effect.flip(outcome("localhost", port))
      assert.strictEqual(error.origin, "transport")
      assert.match(error.message, /self-signed certificate/)
    }))

  it.scopedLive("trusts on first use, whatever the host name", () =>
    Effect.gen(function*() {
      const { port } = yield* serveTls("exporter.example")
      assert.strictEqual(yield* outcome("localhost", port, TrustOnFirstUse()), "hello")
      assert.strictEqual(yield* outcome("127.0.0.1", port, TrustOnFirstUse()), "hello")
    }))

  it.scopedLive("trusts no other certificate after the first use", () =>
    Effect.gen(function*() {
      const { port } = yield* Effect.map(freePort, (port) => ({ port }))
      const serveAt = Effect.flatMap(selfSigned("localhost"), ({ certificate }) =>
        GrpcServer.serve(echo, { host: "127.0.0.1", port, certificate }))
      const scope = yield* Scope.make()
      yield* Scope.extend(serveAt, scope)
      const channel = yield* GrpcChannel.fromEndpoint(Endpoint.tls("127.0.0.1", port, TrustOnFirstUse()))
      assert.strictEqual(yield* ask(channel), "hello")
      yield* Scope.close(scope, Exit.void)
      yield* serveAt
      const error = yield* Effect.flip(ask(channel))
      assert.strictEqual(error.origin, "transport")
    }))

  it.scopedLive("fails with a lost connection when only one side speaks TLS", () =>
    Effect.gen(function*() {
      const { port } = yield* serveTls("localhost")
      const cleartext = yield* GrpcChannel.fromEndpoint(Endpoint.tcp("127.0.0.1", port))
      assert.strictEqual((yield* Effect.flip(ask(cleartext))).origin, "transport")
      const plain = yield* GrpcServer.serve(echo, localhost)
      const { ca } = yield* selfSigned("localhost")
      const error = yield* Effect.flip(
        outcome("localhost", plain._tag === "Tcp" ? plain.port : 0, CertificateAuthority({ ca }))
      )
      assert.strictEqual(error.origin, "transport")
    }))

  it.scopedLive("keeps metadata out of errors", () =>
    Effect.gen(function*() {
      const seen = yield* Ref.make("")
      const endpoint = Endpoint.tcp("127.0.0.1", yield* freePort)
      const channel = GrpcChannel.withMetadata(
        yield* GrpcChannel.fromEndpoint(endpoint),
        Metadata.make({ authorization: "sesame" })
      )
      const error = yield* Effect.flip(ask(channel))
      yield* Ref.set(seen, `${error.message}\n${JSON.stringify(error)}\n${String(error.cause)}\n${error.stack}`)
      assert.notInclude(yield* Ref.get(seen), "sesame")
    }))
})
