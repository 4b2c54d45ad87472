// The published drivers of proxies, screens and buses of a computer.
import { Device, type DriverInterface, Endpoint, ExporterConnection } from "@effect-jumpstarter/core"
import { Adb, Console, DbusNetwork, Mitmproxy, Network, Vnc } from "@effect-jumpstarter/core/drivers"
import { assert, describe, layer } from "@effect/vitest"
import { Effect, Either, Layer, Option, Stream } from "effect"
import * as http from "node:http"
import { createConnection } from "node:net"
import { concat } from "../support/bytes.ts"
import * as process from "../support/process.ts"
import * as programs from "../support/programsOnPath.ts"
import * as python from "../support/python.ts"

// Without the published drivers nothing runs, so that a missing program makes no difference.
const has = (program: string): boolean => python.publishedDrivers !== undefined && !programs.missing(program)
const hasDbus = has("dbus-daemon")
const hasAdb = has("adb")

const exporter = Layer.unwrapScoped(
  Effect.map(
    process.start(
      python.drivers("proxy", "screens", "sockets", ...hasDbus ? ["dbus"] : [], ...hasAdb ? ["adb"] : [])
    ),
    ({ ready }) => ExporterConnection.layer(Endpoint.unix(ready.unix))
  )
)

const connect = <I extends DriverInterface.Any>(contract: I, path: string) =>
  Effect.orDie(Device.connect(contract, path))

// What a device that uses the proxy gets for a URL.
const fetchThrough = (proxy: string, url: string): Effect.Effect<{ readonly status: number; readonly body: string }> =>
  Effect.async((resume) => {
    const [host, port] = proxy.split(":")
    http.get({ host, port, path: url, headers: { host: new URL(url).host }, agent: false }, (response) => {
      let body = ""
      response.setEncoding("utf8").on("data", (piece: string) => {
        body += piece
      }).once("end", () => resume(Effect.succeed({ status: response.statusCode ?? 0, body })))
    }).once("error", (error) => resume(Effect.die(error)))
  })

const firstBytes = (place: { readonly host: string; readonly port: number } | { readonly path: string }) =>
  Effect.acquireUseRelease(
    Effect.sync(() => createConnection(place)),
    (socket) =>
      Effect.async<string>((resume) => {
        socket.once("error", (error) => resume(Effect.die(error)))
        socket.once("data", (bytes) => resume(Effect.succeed(bytes.toString())))
      }),
    (socket) => Effect.sync(() => socket.destroy())
  )

describe.skipIf(python.publishedDrivers === undefined)("the published drivers of networks", () => {
  layer(exporter, { excludeTestServices: true, timeout: "60 seconds" })((it) => {
    it.scoped("mitmproxy: answers for a server, shows the traffic, and passes the rest on", () =>
      Effect.gen(function*() {
        const proxy = yield* connect(Mitmproxy.contract, "proxy")
        const origin = (yield* (yield* connect(Network.contract, "origin")).address()).replace("tcp://", "http://")
        assert.isFalse(yield* proxy.is_running())
        yield* Effect.scoped(Effect.gen(function*() {
          const { mode, proxy_address, web_ui_enabled } = yield* Mitmproxy.session(proxy, { webUi: true })
          assert.deepStrictEqual([mode, web_ui_enabled], ["mock", true])
          const address = proxy_address ?? assert.fail("the proxy has no address")
          const again = yield* Effect.flip(Effect.scoped(Mitmproxy.session(proxy)))
          assert.include(again.message, "the proxy did not start: Already running in 'mock' mode")
          yield* Effect.scoped(Effect.gen(function*() {
            yield* Mitmproxy.mock(proxy, "GET", "/api/update", { body: { version: "2.0" }, status: 201 })
            assert.deepStrictEqual(Object.keys(yield* proxy.list_mocks()), ["GET /api/update"])
            const { body, status } = yield* fetchThrough(address, `${origin}/api/update`)
            assert.deepStrictEqual([status, JSON.parse(body)], [201, { version: "2.0" }])
            const seen = yield* Stream.runHead(proxy.watch_captured_requests())
            const { method, path, was_mocked } = Option.getOrThrow(seen)
            assert.deepStrictEqual([method, path, was_mocked], ["GET", "/api/update", true])
          }))
          const { body, status } = yield* fetchThrough(address, `${origin}/api/update`)
          assert.deepStrictEqual([status, JSON.parse(body)], [200, { version: "1.0", path: "/api/update" }])
          yield* proxy.set_mock_patch("GET", "/api/*", { version: "3.0" })
          const patched = yield* fetchThrough(address, `${origin}/api/patched?x=1`)
          assert.strictEqual(JSON.parse(patched.body).version, "3.0")
          const request = yield* Mitmproxy.waitForRequest(proxy, "GET", "/api/patched*")
          assert.deepStrictEqual([request.was_patched, request.query], [true, { x: ["1"] }])
          const never = yield* Effect.flip(Mitmproxy.waitForRequest(proxy, "POST", "/never", { timeout: "100 millis" }))
          assert.strictEqual(never._tag, "RequestNotSeen")
          const { files, yaml } = yield* proxy.export_captured_scenario()
          assert.include(yaml, "/api/patched")
          const [file = ""] = files
          const content = concat([...yield* Stream.runCollect(proxy.get_captured_file(file))])
          assert.isAbove(content.length, 0)
          assert.deepStrictEqual([...yield* Stream.runCollect(proxy.get_captured_file("nope"))], [])
          const page = yield* Mitmproxy.forwardWeb(proxy)
          assert.isAtLeast((yield* fetchThrough(`${page.host}:${page.port}`, "http://localhost/")).status, 200)
          const dead = yield* fetchThrough(address, "http://127.0.0.1:9/")
          assert.strictEqual(dead.status, 502)
          assert.include(yield* Mitmproxy.certificate(proxy), "BEGIN CERTIFICATE")
          const noFlow = yield* Effect.flip(Stream.runDrain(proxy.get_flow_file("../secret")))
          assert.strictEqual(noFlow._tag, "InvalidArgument")
          yield* proxy.set_mock_sequence("GET", "/api/turns", [{ body: { turn: 1 }, repeat: 1 }, { status: 503 }])
          const turns = yield* Effect.replicateEffect(fetchThrough(address, `${origin}/api/turns`), 3)
          assert.deepStrictEqual(turns.map(({ status }) => status), [200, 503, 503])
          yield* proxy.set_mock_conditional("GET", "/api/rules", [
            { match: { query: { key: "right" } }, body: { open: true } },
            { status: 401, body: { open: false } }
          ])
          const answers = yield* Effect.forEach(
            ["right", "wrong"],
            (key) => fetchThrough(address, `${origin}/api/rules?key=${key}`)
          )
          assert.deepStrictEqual(answers.map(({ status }) => status), [200, 401])
          yield* proxy.set_state("tries", { count: 3 })
          assert.deepStrictEqual(yield* proxy.get_state("tries"), { count: 3 })
        }))
        assert.strictEqual((yield* proxy.status()).mode, "stopped")
        assert.strictEqual((yield* Effect.flip(proxy.connect_web()))._tag, "DriverError")
      }))

    it.scoped("mitmproxy: says why it does not start", () =>
      Effect.gen(function*() {
        const proxy = yield* connect(Mitmproxy.contract, "proxy")
        const replay = yield* Effect.flip(
          Effect.scoped(Mitmproxy.session(proxy, { mode: "replay", replayFile: "none.bin" }))
        )
        assert.match(replay.message, /^the proxy did not start: Replay file not found: .*none\.bin$/)
      }))

    it.scoped("VNC: a viewer on this machine reaches the server", () =>
      Effect.gen(function*() {
        assert.isTrue(yield* (yield* connect(Vnc.contract, "screen")).get_default_encrypt())
        const server = yield* connect(Network.contract, "screen.tcp")
        const { host, port, url } = yield* Vnc.forward(server)
        assert.strictEqual(url, `vnc://127.0.0.1:${port}`)
        assert.strictEqual(yield* firstBytes({ host, port }), "RFB 003.008\n")
        const { path } = yield* Network.unixForward(server)
        assert.strictEqual(yield* firstBytes({ path }), "RFB 003.008\n")
        assert.isFalse(yield* (yield* connect(Vnc.contract, "screen_gone")).get_default_encrypt())
      }))

    it.scoped.each([["udp", /^udp:\/\/127\.0\.0\.1:\d+$/], ["unix", undefined], ["websocket", /^ws:\/\//]] as const)(
      "Network: connects to a peer over %s",
      ([path, address]) =>
        Effect.gen(function*() {
          const peer = yield* connect(Network.contract, path)
          const console = yield* Console.make(yield* peer.connect())
          for (const line of ["one", "two"]) {
            yield* console.sendLine(line)
            yield* console.expect(`${line}\n`, { timeout: "10 seconds" })
          }
          const said = yield* Effect.either(peer.address())
          if (address !== undefined) assert.match(Either.getOrThrow(said), address)
          else assert.strictEqual(Either.getOrThrow(Either.flip(said))._tag, "MethodNotImplemented")
        })
    )

    it.scoped.each(["tcp_gone", "unix_gone", "websocket_gone", "screen_gone.tcp"])(
      "Network: says that nobody listens (%s)",
      (path) =>
        Effect.gen(function*() {
          const peer = yield* connect(Network.contract, path)
          const refused = yield* Effect.flip(peer.connect())
          assert.strictEqual(refused._tag, "DriverError")
        })
    )

    it.scoped.skipIf(!hasDbus)("D-Bus: forwards to the daemon of a session", () =>
      Effect.gen(function*() {
        const bus = yield* connect(DbusNetwork.contract, "dbus")
        const address = yield* DbusNetwork.forward(bus)
        const port = /^tcp:host=127\.0\.0\.1,port=(\d+)$/.exec(address)?.[1]
        const socket = yield* Effect.acquireRelease(
          Effect.sync(() => createConnection({ host: "127.0.0.1", port: Number(port) })),
          (socket) => Effect.sync(() => socket.destroy())
        )
        // The daemon greets nobody: a client begins, and asks which ways to authenticate there are.
        socket.write("\0AUTH\r\n")
        const answer = yield* Effect.async<string>((resume) => {
          socket.once("data", (bytes) => resume(Effect.succeed(bytes.toString())))
        })
        assert.match(answer, /^REJECTED .*EXTERNAL/)
      }))

    it.scoped.skipIf(!hasAdb)("ADB: lists no device, and forwards to the server", () =>
      Effect.gen(function*() {
        const adb = yield* connect(Adb.contract, "adb")
        assert.deepStrictEqual(yield* Adb.devices(adb), [])
        const port = yield* adb.start_server()
        assert.strictEqual(yield* adb.address(), `tcp://127.0.0.1:${port}`)
        const forwarded = yield* Adb.forward(adb)
        const socket = yield* Effect.acquireRelease(
          Effect.sync(() => createConnection(forwarded)),
          (socket) => Effect.sync(() => socket.destroy())
        )
        socket.write("000chost:version")
        const answer = yield* Effect.async<string>((resume) => {
          socket.once("data", (bytes) => resume(Effect.succeed(bytes.toString())))
        })
        assert.match(answer, /^OKAY/)
        assert.strictEqual(yield* adb.kill_server(), port)
      }))
  })
})
