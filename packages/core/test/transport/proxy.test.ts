// Proxies of the environment, which gRPC libraries honour.
import { assert, describe, it } from "@effect/vitest"
import { Effect, Logger } from "effect"
import * as Http from "node:http"
import * as Net from "node:net"
import * as ExporterConnection from "../../src/client/ExporterConnection.ts"
import * as Endpoint from "../../src/grpc/Endpoint.ts"
import * as Driver from "../../src/host/Driver.ts"
import * as Exporter from "../../src/host/Exporter.ts"
import * as proxy from "../../src/transport/proxy.ts"

// grpc-js reads the variables of the process.
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

// A proxy that answers CONNECT with a status, and connects where that is 200; with the addresses it was asked for.
const listening = (status: number) =>
  Effect.map(
    Effect.acquireRelease(
      Effect.async<{ readonly server: Http.Server; readonly port: number; readonly asked: Array<string> }>((resume) => {
        const asked: Array<string> = []
        const server = Http.createServer()
        server.on("connect", ({ url = "" }, socket: Net.Socket) => {
          asked.push(url)
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
          resume(Effect.succeed({ server, port, asked }))
        })
      }),
      ({ server }) =>
        Effect.async<void>((resume) => {
          server.close(() => resume(Effect.void))
          server.closeAllConnections()
        })
    ),
    ({ asked, port }) => ({ asked, port })
  )

const closedPort = Effect.map(Effect.scoped(listening(200)), ({ port }) => port)

const served = Effect.gen(function*() {
  const exporter = yield* Exporter.make(Driver.composite({}), { localLogs: false })
  return yield* Exporter.serve(exporter, { host: "127.0.0.1", port: 0 })
})

const connect = (endpoint: Endpoint.Endpoint) =>
  ExporterConnection.fromEndpoint(endpoint, { connectTimeout: "5 seconds" })

describe("a proxy", () => {
  it.scopedLive("is connected through", () =>
    Effect.gen(function*() {
      const endpoint = yield* served
      const { asked, port } = yield* listening(200)
      yield* environment({ http_proxy: `http://user:sesame@127.0.0.1:${port}` })
      yield* connect(endpoint)
      assert.deepStrictEqual(asked, [Endpoint.format(endpoint).replace("tcp:", "")])
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
      // Channel arguments are for grpc-js, which reads no_proxy by itself.
      yield* ExporterConnection.fromEndpoint(endpoint, { grpcOptions: { "grpc.primary_user_agent": "test" } })
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
    ["http://a:%zz@127.0.0.1:1", /the user or password of the proxy http:\/\/127\.0\.0\.1:1 in http_proxy has a %/],
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

  it.scopedLive("is found for an endpoint as gRPC does, and for more of no_proxy", () =>
    Effect.gen(function*() {
      yield* environment({ https_proxy: "http://[::1]", http_proxy: "http://other:1", no_grpc_proxy: "" })
      const find = (host: string, port = 8090) => proxy.find({ host, port })
      assert.deepStrictEqual(find("lab"), { variable: "https_proxy", address: "http://[::1]" })
      assert.isUndefined(find("fe80::1%eth0"))
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
        process.env["no_grpc_proxy"] = exceptions
        assert.strictEqual(find(host) === undefined, direct, `${exceptions} for ${host}`)
      }
    }))

  it.scopedLive("has nothing to do with a Unix socket", () =>
    Effect.gen(function*() {
      yield* environment({ http_proxy: "socks5://127.0.0.1:1" })
      const error = yield* Effect.flip(connect(Endpoint.unix("/nowhere/s")))
      assert.notInclude(error.details, "proxy")
    }))
})

describe("a file of roots", () => {
  it.live("that is not there is named", () =>
    Effect.gen(function*() {
      // grpc-js reads the variable when it is loaded, so in a process of its own.
      const { execFile } = yield* Effect.promise(() => import("node:child_process"))
      const program = `
        import * as Endpoint from ${JSON.stringify(new URL("../../src/grpc/Endpoint.ts", import.meta.url).href)}
        import * as ExporterConnection from ${
        JSON.stringify(new URL("../../src/client/ExporterConnection.ts", import.meta.url).href)
      }
        import { Effect } from "effect"
        const connect = ExporterConnection.fromEndpoint(Endpoint.tls("127.0.0.1", 1))
        console.log((await Effect.runPromise(Effect.scoped(Effect.flip(connect)))).message)`
      const output = yield* Effect.async<string>((resume) => {
        execFile(
          process.execPath,
          ["--import", "tsx", "--input-type=module", "--eval", program],
          { env: { ...process.env, GRPC_DEFAULT_SSL_ROOTS_FILE_PATH: "/nowhere/roots.pem" }, cwd: import.meta.dirname },
          (_, stdout, stderr) => resume(Effect.succeed(stdout + stderr))
        )
      })
      assert.match(output, /^cannot connect to the exporter at tls:127\.0\.0\.1:1 \(Address\): .*\/nowhere\/roots\.pem/)
    }), 30_000)
})
