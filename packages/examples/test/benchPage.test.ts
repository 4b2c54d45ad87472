// What a person does on the page of the bench, in a browser, and what other websites cannot do.
import { Driver, Endpoint, Exporter, ExporterConnection } from "@effect-jumpstarter/core"
import { ControllerTest } from "@effect-jumpstarter/core/testing"
import * as NodeContext from "@effect/platform-node/NodeContext"
import * as NodeHttpServer from "@effect/platform-node/NodeHttpServer"
import * as HttpServer from "@effect/platform/HttpServer"
import { assert, describe, it, layer } from "@effect/vitest"
import * as Context from "effect/Context"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import * as Schedule from "effect/Schedule"
import { spawn } from "node:child_process"
import { createHash, randomBytes } from "node:crypto"
import { mkdtemp, rm, writeFile } from "node:fs/promises"
import { createServer, request } from "node:http"
import { hostname, tmpdir } from "node:os"
import { join } from "node:path"
import { env, execPath } from "node:process"
import * as browser from "../../core/test/support/browser.ts"
import { localhost } from "../../core/test/support/certificates.ts"
import * as process from "../../core/test/support/process.ts"
import * as program from "../../core/test/support/program.ts"
import * as Bench from "../src/benchPage/Bench.ts"
import * as Guard from "../src/benchPage/Guard.ts"
import { History } from "../src/benchPage/History.ts"
import * as Page from "../src/benchPage/Page.ts"
import * as Server from "../src/benchPage/Server.ts"
import * as Board from "../src/demo/Board.ts"

const directory = Effect.acquireRelease(
  Effect.promise(() => mkdtemp(join(tmpdir(), "bench-page-"))),
  (path) => Effect.promise(() => rm(path, { recursive: true, force: true }))
)

/** Serves the board of the demo at a path. */
const exporterAt = (path: string) =>
  Effect.flatMap(
    Effect.flatMap(Board.make, (drivers) =>
      Exporter.make(Driver.composite(drivers), { labels: { board: "demo-board" } })),
    (exporter) =>
      Exporter.serve(exporter, { path })
  )

/** Serves the board of the demo at a path, in a process of its own. */
const processAt = (path: string) => process.start([execPath, program.path("boardProcess"), path])

interface Place {
  readonly url: string
  readonly port: number
}

interface PlaceOptions {
  readonly isWritable?: boolean
  readonly token?: string
  /** Of the exporter. */
  readonly path?: string
}

/** Serves the page for a board until the scope closes. */
const place = ({ isWritable = true, path, token }: PlaceOptions = {}) =>
  Effect.gen(function*() {
    const socket = path ?? join(yield* directory, "exporter.sock")
    if (path === undefined) yield* exporterAt(socket)
    const connection = yield* Layer.build(
      ExporterConnection.layer(Endpoint.unix(socket), { reconnect: Schedule.spaced("50 millis") })
    )
    const server = yield* Layer.build(NodeHttpServer.layer(() => createServer(), { host: "127.0.0.1", port: 0 }))
    const { address } = Context.get(server, HttpServer.HttpServer)
    const port = address._tag === "TcpAddress" ? address.port : 0
    const bench = yield* Effect.provide(Bench.make({ isWritable }), connection)
    const assets = yield* Page.assets
    const access = {
      hosts: Guard.hostsOf("127.0.0.1", port),
      token: Option.map(Option.fromNullable(token), (text) => Redacted.make(text))
    }
    yield* Effect.provide(Server.serve({ bench, assets, access }), server)
    const served: Place = { url: `http://localhost:${port}/`, port }
    return served
  }).pipe(Effect.provide(NodeContext.layer))

const until = (condition: Promise<unknown>) => Effect.promise(() => condition)

const text = ({ page }: browser.Visit, selector: string) =>
  Effect.promise(async () => await page.locator(selector).first().textContent() ?? "")

/** The status of a request, which for the socket is 101 when it is taken. */
const statusOf = (port: number, path: string, headers: Readonly<Record<string, string>>) =>
  Effect.async<number>((resume) => {
    const sent = request({ host: "127.0.0.1", port, path, headers })
    sent.on("response", (response) => {
      sent.destroy()
      resume(Effect.succeed(response.statusCode ?? 0))
    })
    sent.on("upgrade", (response, socket) => {
      socket.destroy()
      resume(Effect.succeed(response.statusCode ?? 0))
    })
    sent.on("error", (error) => resume(Effect.die(error)))
    sent.end()
    return Effect.sync(() => sent.destroy())
  })

const upgrade = {
  connection: "Upgrade",
  upgrade: "websocket",
  "sec-websocket-version": "13",
  "sec-websocket-key": Buffer.alloc(16).toString("base64")
}

describe.skipIf(browser.isMissing)("the page of the bench", () => {
  layer(browser.Browser.layer, { excludeTestServices: true, timeout: "60 seconds" })((it) => {
    it.scoped("switches power, talks to the console and flashes an image", () =>
      Effect.gen(function*() {
        const { url } = yield* place()
        const visited = yield* browser.visit(url)
        const { page } = visited

        const chart = page.locator(".chart canvas")
        yield* until(page.getByText("0.00 V, 0.00 A").waitFor())
        const flat = yield* Effect.promise(() => chart.screenshot())
        yield* Effect.promise(() => page.getByRole("button", { name: "On", exact: true }).click())
        yield* until(page.getByText("12.00 V").waitFor({ timeout: 1000 }))
        assert.notDeepEqual(yield* Effect.promise(() => chart.screenshot()), flat)

        const terminal = page.locator(".xterm-rows")
        yield* until(terminal.getByText("autoboot is off").waitFor())
        yield* Effect.promise(() => page.locator(".xterm-helper-textarea").focus())
        yield* Effect.promise(() => page.keyboard.type("version\r"))
        yield* until(terminal.getByText("U-Boot 2025.04 (demo_board)").waitFor())

        const image = randomBytes(25_000_000)
        const file = join(yield* directory, "rootfs.img")
        yield* Effect.promise(() => writeFile(file, image))
        const seen = new Set<number>()
        const bar = page.locator("progress")
        yield* Effect.promise(() => page.getByLabel("Image for storage").setInputFiles(file))
        yield* until(bar.waitFor())
        yield* browser.screenshot(page, "bench-page")
        while (yield* Effect.promise(() => bar.isVisible())) {
          seen.add(Number(yield* Effect.promise(() => bar.getAttribute("value", { timeout: 1000 }).catch(() => "0"))))
        }
        assert.isAbove(seen.size, 3)
        const outcome = yield* text(visited, ".outcome")
        assert.include(outcome, "rootfs.img: done, 25.0 MB")
        assert.include(outcome, createHash("sha256").update(image).digest("hex"))

        assert.include(yield* text(visited, "#lines"), "output on, 12.0 V")
        yield* Effect.promise(() => page.getByLabel("Text").fill("flash"))
        yield* until(page.locator("#lines li", { hasText: "output on" }).waitFor({ state: "hidden" }))
        assert.deepStrictEqual(yield* browser.accessibilityProblems(page), [])
        assert.deepStrictEqual(visited.complaints, [])
      }), 60_000)

    it.scoped("shows that the exporter was killed, and the recovery", () =>
      Effect.gen(function*() {
        const path = join(yield* directory, "exporter.sock")
        const exporter = yield* processAt(path)
        const { url } = yield* place({ path })
        const visited = yield* browser.visit(url)
        const { page } = visited
        const state = page.locator("#state")
        yield* until(page.getByText("0.00 V, 0.00 A").waitFor())
        yield* exporter.kill
        yield* until(state.getByText("reconnecting").waitFor())
        yield* processAt(path)
        yield* until(state.getByText("connected", { exact: true }).waitFor())
        yield* Effect.promise(() => page.getByRole("button", { name: "On", exact: true }).click())
        yield* until(page.getByText("12.00 V").waitFor())
        const events = yield* text(visited, "#events")
        assert.match(events, /connected.*reconnecting.*connected/s)
        assert.deepStrictEqual(visited.complaints, [])
      }), 60_000)

    it.scoped("fits a phone, in the dark too", () =>
      Effect.gen(function*() {
        const { url } = yield* place()
        const visited = yield* browser.visit(url, { width: 360, height: 740, scheme: "dark" })
        const { page } = visited
        yield* until(page.getByText("0.00 V, 0.00 A").waitFor())
        assert.isAtMost(yield* Effect.promise(() => page.evaluate<number>("document.documentElement.scrollWidth")), 360)
        assert.deepStrictEqual(yield* browser.accessibilityProblems(page), [])
        assert.deepStrictEqual(visited.complaints, [])
      }), 60_000)

    it.scoped("only reads unless it may write", () =>
      Effect.gen(function*() {
        const { url } = yield* place({ isWritable: false })
        const visited = yield* browser.visit(url)
        const { page } = visited
        yield* until(page.getByText("0.00 V, 0.00 A").waitFor())
        assert.isTrue(yield* Effect.promise(() => page.getByRole("button", { name: "On", exact: true }).isDisabled()))
        // As the developer tools of a browser can.
        yield* Effect.promise(() =>
          page.evaluate(`for (const button of document.querySelectorAll("button")) button.disabled = false`)
        )
        yield* Effect.promise(() => page.getByRole("button", { name: "On", exact: true }).click())
        yield* until(page.locator("#notice").getByText("this page only reads").waitFor())
        assert.include(yield* text(visited, ".top output"), "0.00 V")
      }), 60_000)

    it.scoped("asks for the token, which is in no address", () =>
      Effect.gen(function*() {
        const { url } = yield* place({ token: "correct horse" })
        const { page } = yield* browser.visit(url)
        const field = page.getByLabel("Token of the page")
        yield* Effect.promise(() => field.fill("wrong"))
        yield* Effect.promise(() => page.getByRole("button", { name: "Open" }).click())
        yield* until(page.getByText("this is not the token").waitFor())
        assert.isFalse(yield* Effect.promise(() => page.locator("#bench").isVisible()))
        yield* Effect.promise(() => field.fill("correct horse"))
        yield* Effect.promise(() => page.getByRole("button", { name: "Open" }).click())
        yield* until(page.getByText("0.00 V, 0.00 A").waitFor())
        assert.strictEqual(page.url(), url)
      }), 60_000)
  })
})

const programWords = ["--import", "tsx", join(process.repository, "packages/examples/src/benchPage.ts"), "--port", "0"]

/** Runs the program, and returns the address that it prints, and its end. */
const start = (args: ReadonlyArray<string>, environment: Readonly<Record<string, string>> = {}) =>
  Effect.gen(function*() {
    const ended = yield* Deferred.make<void>()
    const address = yield* Deferred.make<string, string>()
    const child = yield* Effect.acquireRelease(
      Effect.sync(() =>
        spawn(execPath, [...programWords, ...args], { cwd: process.repository, env: { ...env, ...environment } })
      ),
      (child) => Effect.zipRight(Effect.sync(() => child.kill("SIGKILL")), Deferred.await(ended))
    )
    let output = ""
    child.stdout.setEncoding("utf8").on("data", (text: string) => {
      output += text
      const [, found] = /The bench is at (\S+)/.exec(output) ?? []
      if (found !== undefined) Deferred.unsafeDone(address, Effect.succeed(found))
    })
    let errors = ""
    child.stderr.setEncoding("utf8").on("data", (text: string) => {
      errors += text
    })
    child.once("close", () => {
      Deferred.unsafeDone(address, Effect.fail(errors))
      Deferred.unsafeDone(ended, Effect.void)
    })
    return { address: Deferred.await(address), ended: Deferred.await(ended), interrupt: () => child.kill("SIGINT") }
  })

const statusAt = (url: string) => Effect.promise(async () => (await fetch(url)).status)

describe("the program", () => {
  it.scopedLive("leases a board for as long as it runs", () =>
    Effect.gen(function*() {
      const { certificate, pem } = yield* localhost
      const listen = { host: "127.0.0.1", port: 0, certificate }
      const lab = yield* ControllerTest.make({ latency: "none", listen: { controller: listen, router: listen } })
      yield* lab.hostExporter("bench-1", yield* Board.make, { labels: { board: "rpi4" } })
      const { endpoint, name, namespace, token } = yield* lab.addClient("alice")
      const { address, ended, interrupt } = yield* start(["--lease", "board=rpi4"], {
        JMP_CLIENT_CONFIG_HOME: yield* directory,
        JMP_NAMESPACE: namespace,
        JMP_NAME: name,
        JMP_ENDPOINT: endpoint,
        JMP_TOKEN: Redacted.value(token),
        JMP_TLS: JSON.stringify({ ca: Buffer.from(pem).toString("base64") })
      })
      assert.strictEqual(yield* statusAt(yield* address), 200)
      assert.deepStrictEqual((yield* lab.leases).map(({ ended }) => ended), [false])
      interrupt()
      yield* ended
      assert.deepStrictEqual((yield* lab.leases).map(({ ended }) => ended), [true])
    }), 60_000)
})

describe("other websites", () => {
  it.scopedLive("cannot open the page or its socket", () =>
    Effect.gen(function*() {
      const { port } = yield* place()
      const host = `localhost:${port}`
      assert.deepStrictEqual(
        yield* Effect.all([
          statusOf(port, "/", { host }),
          statusOf(port, "/", { host: "attacker.example" }),
          statusOf(port, "/", { host, origin: "http://attacker.example" }),
          statusOf(port, "/socket", { ...upgrade, host, origin: `http://${host}` }),
          statusOf(port, "/socket", { ...upgrade, host }),
          statusOf(port, "/socket?", { ...upgrade, host }),
          statusOf(port, "//", { host }),
          statusOf(port, "/socket", { ...upgrade, host, origin: "http://attacker.example" }),
          statusOf(port, "/socket", { ...upgrade, host: "attacker.example", origin: "http://attacker.example" })
        ]),
        [200, 403, 403, 101, 403, 403, 404, 403, 403]
      )
    }))

  it("are recognized by the host of a request, at every address that the page can listen at", () => {
    assert.deepStrictEqual(Guard.hostsOf("::1", 8420), ["localhost:8420", "127.0.0.1:8420", "[::1]:8420"])
    assert.deepStrictEqual(Guard.hostsOf("192.168.1.5", 80), ["192.168.1.5"])
    assert.deepStrictEqual(Guard.hostsOf("2001:db8::5", 8420), ["[2001:db8::5]:8420"])
    assert.includeMembers([...Guard.hostsOf("0.0.0.0", 8420)], [`${hostname()}:8420`, "127.0.0.1:8420"])
  })
})

/** A frame of a client, with a mask of zeros. */
const frame = (opcode: number, payload: Uint8Array): Buffer => {
  const head = Buffer.alloc(14)
  head.set([0x80 | opcode, 0x80 | 127])
  head.writeBigUInt64BE(BigInt(payload.length), 2)
  return Buffer.concat([head, payload])
}

/** The code with which a server has closed a socket, after short frames. */
const closeCodeOf = (frames: Buffer): number | undefined => {
  for (let at = 0; at + 4 <= frames.length; at += 2 + ((frames[at + 1] ?? 0) & 127)) {
    if (((frames[at] ?? 0) & 15) === 8) return frames.readUInt16BE(at + 2)
  }
  return undefined
}

describe("a client that floods the socket", () => {
  it.scopedLive("is cut off before it has the token", () =>
    Effect.gen(function*() {
      const { port } = yield* place({ token: "correct horse" })
      const host = `localhost:${port}`
      const code = yield* Effect.async<number>((resume) => {
        const sent = request({
          host: "127.0.0.1",
          port,
          path: "/socket",
          headers: { ...upgrade, host, origin: `http://${host}` }
        })
        sent.on("upgrade", (_, socket, head) => {
          let heard = head
          socket.on("error", () => {}).on("data", (bytes) => {
            heard = Buffer.concat([heard, bytes])
            const code = closeCodeOf(heard)
            if (code === undefined) return
            socket.destroy()
            resume(Effect.succeed(code))
          })
          // The server takes a second for a wrong token.
          socket.write(frame(1, Buffer.from(JSON.stringify({ type: "token", token: "wrong" }))))
          for (let count = 0; count < 40; count++) socket.write(frame(2, Buffer.alloc(256 * 1024)))
        })
        sent.end()
        return Effect.sync(() => sent.destroy())
      })
      assert.strictEqual(code, 1009)
    }))
})

describe("the history", () => {
  it("is bounded, and in the order of what happened", () => {
    const history = new History()
    for (let time = 0; time < 5000; time++) {
      history.keep({ type: "reading", path: "power", time, voltage: 5, current: 1 })
      history.keep({ type: "log", time, level: "INFO", source: "DRIVER", operation: "", text: "line" })
    }
    const numbers = history.messages.map(({ number }) => number)
    assert.strictEqual(numbers.length, 1700)
    assert.deepStrictEqual(numbers, [...numbers].sort((one, other) => one - other))
    assert.strictEqual(numbers.at(-1), 10_000)
  })
})
