// Proxies from the environment, which gRPC libraries use.
import { assert, describe, it } from "@effect/vitest"
import { ConfigProvider, Effect, Logger, LogLevel, Redacted } from "effect"
import { writeFile } from "node:fs/promises"
import * as Http from "node:http"
import * as Net from "node:net"
import * as ExporterConnection from "../../src/client/ExporterConnection.ts"
import * as Endpoint from "../../src/grpc/Endpoint.ts"
import * as Driver from "../../src/host/Driver.ts"
import * as Exporter from "../../src/host/Exporter.ts"
import * as GrpcChannel from "../../src/transport/GrpcChannel.ts"
import * as proxy from "../../src/transport/proxy.ts"
import { selfSigned } from "../support/certificates.ts"
import * as temporary from "../support/temporary.ts"

// The variables of the process, which are a program's configuration by default.
const environment = (variables: Readonly<Record<string, string>>) =>
  Effect.acquireRelease(
    Effect.sync(() => {
      const before = Object.keys(variables).map((name) => [name, process.env[name]] as const)
      Object.assign(process.env, variables)
      return before
    }),
    (before) =>
      Effect.sync(() =>
        before.forEach(([name, value]) => {
          if (value === undefined) delete process.env[name]
          else process.env[name] = value
        })
      )
  )

// A proxy that answers CONNECT with a status, and connects if that is 200. It records the requested addresses.
const listening = (status: number) =>
  Effect.map(
    Effect.acquireRelease(
      Effect.async<{
        readonly server: Http.Server
        readonly port: number
        readonly asked: Array<string>
        readonly credentials: Array<string | undefined>
      }>((resume) => {
        const asked: Array<string> = []
        const credentials: Array<string | undefined> = []
        const server = Http.createServer()
        server.on("connect", ({ headers, url = "" }, socket: Net.Socket) => {
          asked.push(url)
          credentials.push(headers["proxy-authorization"])
          socket.on("error", () => {})
          if (status !== 200) {
            socket.end(`HTTP/1.1 ${status} No\r\n\r\n`)
            return
          }
          const target = Net.connect(Number(url.split(":")[1]), "127.0.0.1", () => {
            socket.write("HTTP/1.1 200 OK\r\n\r\n")
            target.pipe(socket).pipe(target)
          })
          target.on("error", () => {})
          socket.on("close", () => target.destroy())
        })
        server.listen(0, "127.0.0.1", () => {
          const address = server.address()
          const port = typeof address === "object" && address !== null ? address.port : 0
          resume(Effect.succeed({ server, port, asked, credentials }))
        })
      }),
      ({ server }) =>
        Effect.async<void>((resume) => {
          server.close(() => resume(Effect.void))
          server.closeAllConnections()
        })
    ),
    ({ asked, credentials, port }) => ({ asked, credentials, port })
  )

const closedPort = Effect.map(Effect.scoped(listening(200)), ({ port }) => port)

const served = Effect.gen(function*() {
  const exporter = yield* Exporter.make(Driver.composite({}), { localLogs: false })
  return yield* Exporter.serve(exporter, { host: "127.0.0.1", port: 0 })
})

const connect = (endpoint: Endpoint.Endpoint) =>
  ExporterConnection.fromEndpoint(endpoint, { connectTimeout: "5 seconds" })

describe("a proxy", () => {
  const configured = (variables: Readonly<Record<string, string>>) =>
    Effect.withConfigProvider(ConfigProvider.fromMap(new Map(Object.entries(variables))))

  it.scopedLive("is used, with its user and password", () =>
    Effect.gen(function*() {
      const endpoint = yield* served
      const { asked, credentials, port } = yield* listening(200)
      yield* environment({ http_proxy: `http://us%65r:sesame@127.0.0.1:${port}` })
      yield* connect(endpoint)
      assert.deepStrictEqual(asked, [Endpoint.format(endpoint).replace("tcp:", "")])
      assert.deepStrictEqual(credentials, [`Basic ${Buffer.from("user:sesame").toString("base64")}`])
    }))

  it.scopedLive("is used with TLS, which checks the exporter's name and not the proxy's", () =>
    Effect.gen(function*() {
      const { ca, certificate } = yield* selfSigned("localhost")
      const exporter = yield* Exporter.make(Driver.composite({}), { localLogs: false })
      const at = yield* Exporter.serve(exporter, { host: "localhost", port: 0, certificate })
      assert(at._tag === "Tls")
      const { asked, port } = yield* listening(200)
      const endpoint = Endpoint.tls("localhost", at.port, Endpoint.Trust.CertificateAuthority({ ca }))
      yield* connect(endpoint).pipe(configured({ grpc_proxy: `http://127.0.0.1:${port}` }))
      assert.deepStrictEqual(asked, [`localhost:${at.port}`])
    }))

  it.scopedLive("comes from the program's configuration, whatever the process has", () =>
    Effect.gen(function*() {
      const endpoint = yield* served
      const { asked, port } = yield* listening(200)
      yield* connect(endpoint).pipe(configured({ https_proxy: `http://127.0.0.1:${port}` }))
      assert.strictEqual(asked.length, 1)
      yield* environment({ http_proxy: `http://127.0.0.1:${port}` })
      yield* connect(endpoint).pipe(configured({}))
      yield* ExporterConnection.fromEndpoint(endpoint, { transport: "nice-grpc" }).pipe(configured({}))
      assert.strictEqual(asked.length, 1)
    }))

  it.scopedLive("is ignored by the transport http2", () =>
    Effect.gen(function*() {
      const endpoint = yield* served
      yield* environment({ http_proxy: `http://127.0.0.1:${yield* closedPort}` })
      yield* ExporterConnection.fromEndpoint(endpoint, { transport: "http2" })
    }))

  for (
    const [what, listen] of [
      ["refuses", Effect.map(listening(403), ({ port }) => port)],
      ["is not there", closedPort]
    ] as const
  ) {
    it.scopedLive(`that ${what} is named, with its variable and without its password`, () =>
      Effect.gen(function*() {
        const endpoint = yield* served
        const port = yield* listen
        yield* environment({ grpc_proxy: `http://user:sesame@127.0.0.1:${port}`, http_proxy: "http://other:1" })
        const error = yield* Effect.flip(connect(endpoint))
        assert.strictEqual(error._tag, "ConnectError")
        assert.include(error.message, `through the proxy http://127.0.0.1:${port} (grpc_proxy)`)
        assert.notInclude(error.message, "undefined")
        assert.notInclude(error.message, "sesame")
      }))
  }

  it.scopedLive.each([
    "127.0.0.1",
    "lab.example, 127.0.0.1",
    " 127.0.0.1 ",
    "lab.example 127.0.0.1",
    "127.0.0.0/8",
    ", 127.0.0.0/8 ,",
    "*"
  ])("is not asked for what no_proxy has: %j", (exceptions) =>
    Effect.gen(function*() {
      const endpoint = yield* served
      yield* environment({ http_proxy: `http://127.0.0.1:${yield* closedPort}`, no_proxy: exceptions })
      yield* connect(endpoint)
      yield* ExporterConnection.fromEndpoint(endpoint, { transport: "nice-grpc" })
    }))

  it.scopedLive.each<readonly [string, RegExp]>([
    [
      "socks5://user:sesame@127.0.0.1:1080",
      /^connected without a proxy: gRPC connects through http:\/\/ proxies only, and http_proxy has socks5:\/\/127\.0\.0\.1:1080$/
    ],
    ["https://127.0.0.1", /proxies only, and http_proxy has https:\/\/127\.0\.0\.1$/],
    ["user:sesame@proxy", /the proxy in http_proxy is not a URL such as http:\/\/proxy:3128$/],
    ["127.0.0.1:3128", /is not a URL such as http:\/\/proxy:3128$/],
    ["http://", /is not a URL such as http:\/\/proxy:3128$/],
    [
      "http://a:%zz@127.0.0.1:1",
      /the user or password of the proxy http:\/\/127\.0\.0\.1:1 in http_proxy contains a %/
    ],
    [" ", /is not a URL/]
  ])("that cannot be used is explained, and connected without: %j", ([value, text]) =>
    Effect.gen(function*() {
      const endpoint = yield* served
      const lines: Array<string> = []
      yield* environment({ http_proxy: value })
      yield* connect(endpoint).pipe(Effect.provide(Logger.replace(
        Logger.defaultLogger,
        Logger.make<unknown, void>(({ message }) => {
          lines.push(String(message))
        })
      )))
      const [line = ""] = lines
      assert.match(line.slice(line.indexOf("connected without")), text)
      const error = yield* Effect.flip(connect(Endpoint.tcp("127.0.0.1", yield* closedPort)))
      assert.match(error.details, /nothing listens there; .*\(connected without a proxy: /)
      assert.nestedPropertyVal(error, "cause.cause.code", "ECONNREFUSED")
      assert.notInclude(`${lines.join()} ${error.message}`, "sesame")
    }))

  it.scopedLive("is chosen for an endpoint as in gRPC, with more forms of no_proxy", () =>
    Effect.gen(function*() {
      const variables = { https_proxy: "http://a:b%40c@[::1]", http_proxy: "http://other:1" }
      const find = (host: string, exceptions = "") =>
        proxy.find({ host, port: 8090 }).pipe(configured({ ...variables, no_grpc_proxy: exceptions }))
      const found = yield* find("lab")
      assert(found !== undefined && "address" in found)
      assert.deepInclude(found, { variable: "https_proxy", address: "http://[::1]", host: "[::1]:80" })
      assert.strictEqual(found.credentials && Redacted.value(found.credentials), "a:b@c")
      assert.isUndefined(yield* find("fe80::1%eth0"))
      const table: ReadonlyArray<readonly [string, string, boolean]> = [
        [".lab", "bench.lab", true],
        ["*.lab", "bench.lab", true],
        ["LAB", "bench.lab", true],
        ["bench.lab:8090", "bench.lab", true],
        ["bench.lab:1", "bench.lab", false],
        ["[::1]:8090", "::1", true],
        ["[::1]", "::1", true],
        ["::1", "::1", true],
        ["fe80::/10", "fe80::7", true],
        ["fe80::/10", "10.0.0.1", false],
        ["10.0.0.0/8", "10.1.2.3", true],
        ["10.0.0.0/99", "10.1.2.3", false],
        ["10.0.0.0/8", "bench.lab", false],
        ["labs", "bench.lab", false],
        [" , ", "bench.lab", false]
      ]
      for (const [exceptions, host, direct] of table) {
        assert.strictEqual((yield* find(host, exceptions)) === undefined, direct, `${exceptions} for ${host}`)
      }
    }))

  it.scopedLive("is not used for a Unix socket", () =>
    Effect.gen(function*() {
      yield* environment({ http_proxy: "socks5://127.0.0.1:1" })
      const error = yield* Effect.flip(connect(Endpoint.unix("/nowhere/s")))
      assert.notInclude(error.details, "proxy")
    }))
})

describe("a file of roots", () => {
  const roots = (path: string) =>
    Effect.withConfigProvider(ConfigProvider.fromMap(new Map([["GRPC_DEFAULT_SSL_ROOTS_FILE_PATH", path]])))

  for (const transport of ["http2", "nice-grpc"] as const) {
    it.scopedLive(`replaces the system's roots, over ${transport}`, () =>
      Effect.gen(function*() {
        const { ca, certificate } = yield* selfSigned("localhost")
        const exporter = yield* Exporter.make(Driver.composite({}), { localLogs: false })
        const at = yield* Exporter.serve(exporter, { host: "localhost", port: 0, certificate })
        assert(at._tag === "Tls")
        const path = `${yield* temporary.directory}/roots.pem`
        yield* Effect.promise(() => writeFile(path, ca))
        const connection = ExporterConnection.fromEndpoint(Endpoint.tls("localhost", at.port), { transport })
        yield* connection.pipe(roots(path))
        assert.strictEqual((yield* Effect.flip(connection)).reason, "Unreachable")
      }))
  }

  it.scopedLive("is named when it is missing or has no certificates", () =>
    Effect.gen(function*() {
      const connect = ExporterConnection.fromEndpoint(Endpoint.tls("127.0.0.1", 1))
      const missing = yield* Effect.flip(connect.pipe(roots("/nowhere/roots.pem")))
      assert.match(
        missing.message,
        /^cannot connect to the exporter at tls:127\.0\.0\.1:1 \(Address\): the roots in GRPC_\w+ .*ENOENT.*\/nowhere\/roots\.pem/
      )
      const path = `${yield* temporary.directory}/roots.pem`
      yield* Effect.promise(() => writeFile(path, "no"))
      assert.include((yield* Effect.flip(connect.pipe(roots(path)))).message, path)
    }))
})

describe("the transport of a channel", () => {
  const tcp = Endpoint.tcp("127.0.0.1", 1)
  const proxied = { http_proxy: "http://127.0.0.1:3128" }
  const grpcOptions = { "grpc.primary_user_agent": "test" }

  it.scopedLive.each<
    readonly [
      what: string,
      options: GrpcChannel.ChannelOptions,
      variables: Readonly<Record<string, string>>,
      expected: GrpcChannel.TransportName,
      why: string
    ]
  >([
    ["unset", {}, {}, "http2", "because nothing needs nice-grpc"],
    ["unset, with empty grpcOptions", { grpcOptions: {} }, {}, "http2", "because nothing needs nice-grpc"],
    ["unset, with grpcOptions", { grpcOptions }, {}, "nice-grpc", "because grpcOptions are set"],
    ["unset, with a proxy", {}, proxied, "nice-grpc", "because of the proxy http://127.0.0.1:3128 (http_proxy)"],
    ["unset, with a proxy for others", {}, { ...proxied, no_proxy: "*" }, "http2", "because nothing needs nice-grpc"],
    ["http2", { transport: "http2" }, proxied, "http2", "because the option transport says so"],
    ["nice-grpc", { transport: "nice-grpc" }, {}, "nice-grpc", "because the option transport says so"],
    [
      "nice-grpc, with grpcOptions",
      { transport: "nice-grpc", grpcOptions },
      {},
      "nice-grpc",
      "because the option transport says so"
    ]
  ])("%s", ([, options, variables, expected, why]) =>
    Effect.gen(function*() {
      const lines: Array<string> = []
      const logger = Logger.replace(
        Logger.defaultLogger,
        Logger.make<unknown, void>(({ message }) => {
          lines.push(String(message))
        })
      )
      const channel = yield* GrpcChannel.fromEndpoint(tcp, options).pipe(
        Effect.withConfigProvider(ConfigProvider.fromMap(new Map(Object.entries(variables)))),
        Logger.withMinimumLogLevel(LogLevel.Debug),
        Effect.provide(logger)
      )
      assert.strictEqual(channel.transport, expected)
      assert.deepStrictEqual(lines, [`tcp:127.0.0.1:1 is reached over ${expected}, ${why}`])
    }))

  it.scoped("is `memory` in this process", () =>
    Effect.map(GrpcChannel.fromHandlers(new Map()), ({ transport }) => assert.strictEqual(transport, "memory")))

  it.scopedLive("cannot be http2 when grpcOptions are set", () =>
    Effect.gen(function*() {
      const error = yield* Effect.flip(GrpcChannel.fromEndpoint(tcp, { transport: "http2", grpcOptions }))
      assert.deepInclude(error, { code: "INVALID_ARGUMENT", origin: "client" })
      assert.include(error.details, "grpcOptions are for nice-grpc")
    }))
})
