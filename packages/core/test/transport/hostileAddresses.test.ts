// Any text, host, port or variable leads to a typed failure within a time limit, and to nothing that ends the
// process. An error event without a listener fails the run of Vitest.
import { assert, describe, it } from "@effect/vitest"
import { Cause, ConfigProvider, Effect, Either, Exit, FastCheck as fc } from "effect"
import * as Http2 from "node:http2"
import * as Net from "node:net"
import * as ExporterConnection from "../../src/client/ExporterConnection.ts"
import * as Network from "../../src/drivers/Network.ts"
import * as Endpoint from "../../src/grpc/Endpoint.ts"
import * as hostPort from "../../src/grpc/hostPort.ts"
import * as GrpcChannel from "../../src/transport/GrpcChannel.ts"
import * as GrpcServer from "../../src/transport/GrpcServer.ts"
import * as socketPath from "../../src/transport/socketPath.ts"
import * as addresses from "../support/addresses.ts"
import * as temporary from "../support/temporary.ts"

const clients = { "node:http2": {}, "nice-grpc": { transport: "nice-grpc" } } as const

const fromEnvironment = (
  variables: Readonly<Record<string, string>>,
  options: ExporterConnection.EnvironmentOptions = {}
) =>
  Effect.void.pipe(
    Effect.provide(ExporterConnection.layerEnv({ connectTimeout: "5 seconds", ...options })),
    Effect.withConfigProvider(ConfigProvider.fromMap(new Map(Object.entries(variables)))),
    Effect.exit
  )

// Expects a typed failure, not a defect.
const failureOf = <A, E>(exit: Exit.Exit<A, E>): E => {
  if (Exit.isSuccess(exit)) return assert.fail("it succeeded")
  if (exit.cause._tag !== "Fail") return assert.fail(Cause.pretty(exit.cause))
  return exit.cause.error
}

const onLinux = it.scopedLive.runIf(process.platform === "linux")

// The port of a server without RPCs.
const served = (host: string) =>
  Effect.map(
    GrpcServer.serve(new Map(), { host, port: 0 }),
    (endpoint) => endpoint._tag === "Unix" ? assert.fail("a Unix socket") : endpoint.port
  )

const isUsable = (endpoint: Endpoint.Endpoint): boolean =>
  (endpoint._tag === "Unix" ? socketPath.problem(endpoint.path) : hostPort.problem(endpoint)) === undefined

describe("an address", () => {
  it.prop("is either usable by Node or refused, whatever its text", { text: addresses.text }, ({ text }) => {
    const endpoint = Either.getOrUndefined(Endpoint.parse(text, { security: "insecure" }))
    if (endpoint === undefined || endpoint._tag === "Unix") return
    assert.isTrue(isUsable(endpoint))
    // Node's arguments for the HTTP/2 session and for the socket. No name is looked up here.
    new URL(`http://${hostPort.inUrl(endpoint.host)}:${endpoint.port}`)
    Net.connect({ host: endpoint.host, port: endpoint.port, lookup: () => {} }).on("error", () => {}).destroy()
  }, { fastCheck: { numRuns: 5_000 } })

  for (const [client, options] of Object.entries(clients)) {
    describe(`is refused over ${client}:`, () => {
      it.live.each([
        " ",
        " 127.0.0.1:1",
        "127.0.0.1:1\n",
        "127.0.0.1:1\r\n/x",
        "127.0.0.1:0",
        "127.0.0.1:70000",
        "127.0.0.1:NaN",
        "127.0.0.1",
        "bench-3.lab",
        "bench:99999",
        "http://127.0.0.1:1",
        "https://127.0.0.1:1/",
        "socks5://127.0.0.1:1",
        "//127.0.0.1:1",
        "dns://8.8.8.8/lab:1",
        "ipv4:127.0.0.1:1,127.0.0.1:2",
        "ipv6:[]:1",
        "[::1%]:1",
        "[::1%lo",
        "user:secret@127.0.0.1:1",
        "127.0.0.1:1?x=1",
        "127.0.0.1:1#x",
        "300.1.1.1:1",
        "a..b:1",
        "xn--:1",
        "\ud800:1",
        "\0:1",
        "a\0b:1",
        "unix:",
        "unix:a\0b",
        "unix:\0",
        `/${"x".repeat(200)}`,
        `${"x".repeat(300)}:1`,
        "vsock:2:1",
        "xds:///lab:1"
      ])("%j", (text) =>
        Effect.gen(function*() {
          const exit = yield* fromEnvironment({ JUMPSTARTER_HOST: text, JMP_GRPC_INSECURE: "1" }, options)
          const error = failureOf(exit)
          assert.notInclude(error instanceof Error ? error.message : "", "undefined")
          // A path without a listener is `Unreachable`, and a variable without a value is a `ConfigError`.
          if (error._tag === "ConnectError") assert.include(["Address", "Unreachable"], error.reason)
        }))

      it.live("any host and port that Node would throw on", () =>
        Effect.promise(() =>
          fc.assert(
            fc.asyncProperty(addresses.anyHost, addresses.anyPort, fc.boolean(), async (host, port, secure) => {
              const endpoint = secure ? Endpoint.tls(host, port) : Endpoint.tcp(host, port)
              fc.pre(!isUsable(endpoint))
              const exit = await Effect.runPromiseExit(
                Effect.scoped(GrpcChannel.fromEndpoint(endpoint, options))
              )
              assert.strictEqual(failureOf(exit).code, "INVALID_ARGUMENT")
            })
          )
        ))

      it.live("and a host that cannot be looked up is unreachable", () =>
        Effect.gen(function*() {
          // Neither the interface nor the host exists.
          for (const host of client === "nice-grpc" ? ["host.invalid"] : ["fe80::1%none", "host.invalid"]) {
            const error = failureOf(
              yield* Effect.exit(Effect.scoped(
                ExporterConnection.fromEndpoint(Endpoint.tcp(host, 1), { connectTimeout: "5 seconds", ...options })
              ))
            )
            assert.include(["Unreachable", "Timeout"], error.reason)
          }
        }))
    })
  }

  const answers = (endpoint: Endpoint.Endpoint, options: GrpcChannel.ChannelOptions) =>
    Effect.gen(function*() {
      const channel = yield* GrpcChannel.fromEndpoint(endpoint, options)
      const error = yield* Effect.flip(channel.unary("/test.Service/None", new Uint8Array()))
      assert.strictEqual(error.code, "UNIMPLEMENTED", error.message)
    })

  for (const [client, options] of Object.entries(clients)) {
    it.scopedLive(`can be a gRPC name over ${client}`, () =>
      Effect.gen(function*() {
        const port = yield* served("127.0.0.1")
        for (const text of [`ipv4:127.0.0.1:${port}`, `dns:///127.0.0.1:${port}`, `tcp://127.0.0.1:${port}`]) {
          yield* answers(yield* Endpoint.parse(text, { security: "insecure" }), options)
        }
      }))

    onLinux(`can be an abstract socket over ${client}`, () =>
      Effect.gen(function*() {
        const name = `effect-jumpstarter-${crypto.randomUUID()}`
        yield* Effect.acquireRelease(
          Effect.async<Http2.Http2Server>((resume) => {
            const server = Http2.createServer()
            server.on("stream", (stream) =>
              stream.respond({ ":status": 200, "content-type": "application/grpc", "grpc-status": "12" }, {
                endStream: true
              }))
            server.listen({ path: `\0${name}` }, () =>
              resume(Effect.succeed(server)))
          }),
          (server) =>
            Effect.sync(() => server.close())
        )
        yield* answers(yield* Endpoint.parse(`unix-abstract:${name}`), options)
      }))
  }

  onLinux("can name its interface, but for grpc-js", () =>
    Effect.gen(function*() {
      const endpoint = Endpoint.tcp("::1%lo", yield* served("::1"))
      yield* answers(endpoint, {})
      const error = yield* Effect.flip(GrpcChannel.fromEndpoint(endpoint, clients["nice-grpc"]))
      assert.match(
        error.details,
        /nice-grpc cannot connect to an address with an interface such as %eth0; the transport http2 can/
      )
    }))
})

describe("a server", () => {
  it.live.each<[string, number]>([
    ["127.0.0.1", 70_000],
    ["127.0.0.1", NaN],
    ["127.0.0.1", -1],
    ["127.0.0.1", 1.5],
    ["127.0.0.1", Infinity],
    ["", 0],
    ["[::1]", 0],
    ["127.0.0.1\n", 0],
    ["300.1.1.1", 0],
    ["host.invalid", 0],
    ["192.0.2.1", 0]
  ])("does not listen on %j and %d, and says why", ([host, port]) =>
    Effect.gen(function*() {
      const served = yield* Effect.exit(Effect.scoped(GrpcServer.serve(new Map(), { host, port })))
      assert.strictEqual(failureOf(served)._tag, "GrpcServerError")
      const forwarded = yield* Effect.exit(
        Effect.scoped(Network.portForward({ connect: () => Effect.never }, { host, port }))
      )
      assert.strictEqual(failureOf(forwarded)._tag, "ListenError")
    }))

  it.scopedLive.each(["", "\0abstract", "a\0b", "x".repeat(200)])(
    "does not listen at the path %j",
    (name) =>
      Effect.gen(function*() {
        const directory = yield* temporary.directory
        const path = name === "" || name.startsWith("\0") ? name : `${directory}/${name}`
        const error = failureOf(yield* Effect.exit(Effect.scoped(GrpcServer.serve(new Map(), { path }))))
        assert.strictEqual(error._tag, "GrpcServerError")
      })
  )
})

describe("a Unix socket", () => {
  it.scopedLive("whose path is a number is not treated as a port", () =>
    Effect.gen(function*() {
      const path = String(yield* served("127.0.0.1"))
      const error = yield* Effect.flip(ExporterConnection.fromEndpoint(Endpoint.unix(path)))
      assert.include(error.details, "ENOENT")
    }))
})

describe("a variable", () => {
  it.live("can have any value", () =>
    Effect.promise(() =>
      fc.assert(
        fc.asyncProperty(
          // These addresses have no listener, and no name is looked up.
          fc.oneof(fc.constantFrom("127.0.0.1:1", "[::1]:1", "/nowhere/s", "tls://127.0.0.1:1"), addresses.text),
          addresses.text,
          addresses.text,
          fc.boolean(),
          async (host, insecure, passphrase, secure) => {
            fc.pre(/^(127|\[::1|\/nowhere|tls:\/\/127)/.test(host) || Either.isLeft(Endpoint.parse(host)))
            const exit = await Effect.runPromise(fromEnvironment({
              JUMPSTARTER_HOST: host,
              JMP_GRPC_INSECURE: secure ? insecure : "1",
              JMP_GRPC_PASSPHRASE: passphrase
            }))
            failureOf(exit)
          }
        ),
        { numRuns: 300 }
      )
    ), 30_000)

  it.live.each([
    { JUMPSTARTER_HOST: "" },
    { JMP_GRPC_INSECURE: "1" },
    { JUMPSTARTER_HOST: "127.0.0.1:1", JMP_GRPC_INSECURE: "yes\n" },
    { JUMPSTARTER_HOST: "127.0.0.1:1", JMP_GRPC_INSECURE: "1", JMP_GRPC_PASSPHRASE: "\u00fc" },
    { JUMPSTARTER_HOST: "127.0.0.1:1", JMP_GRPC_INSECURE: "1", JMP_GRPC_PASSPHRASE: "x\r\ny: z" },
    { JUMPSTARTER_HOST: "127.0.0.1:1", JMP_GRPC_INSECURE: "1", JMP_GRPC_PASSPHRASE: "" }
  ])("can have any value: %j", (variables) =>
    Effect.gen(function*() {
      failureOf(yield* fromEnvironment(variables))
    }))
})
