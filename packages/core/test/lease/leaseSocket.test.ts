// The socket through which other programs use a lease: what they reach, who may, and when it ends.
import { describe, it } from "@effect/vitest"
import { assertTrue, deepStrictEqual, strictEqual } from "@effect/vitest/utils"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Scope from "effect/Scope"
import { existsSync, statSync } from "node:fs"
import * as Net from "node:net"
import { dirname } from "node:path"
import { PassThrough } from "node:stream"
import * as ExporterConnection from "../../src/client/ExporterConnection.ts"
import * as routerTunnel from "../../src/controller/routerTunnel.ts"
import * as Driver from "../../src/host/Driver.ts"
import * as Exporter from "../../src/host/Exporter.ts"
import * as childEnvironment from "../../src/lease/childEnvironment.ts"
import * as leaseSocket from "../../src/lease/leaseSocket.ts"
import * as fake from "../support/fakeController.ts"
import { logged } from "../support/leaseBench.ts"
import * as Probe from "../support/probe.ts"
import * as tunnels from "../support/tunnels.ts"

const title = "the lease one"

const modeOf = (path: string) => statSync(path).mode & 0o777

/** A socket to an exporter whose driver echoes and hangs, and how many tunnels there were. */
const bench = Effect.gen(function*() {
  const leased = yield* tunnels.leased("memory")
  const hanging = yield* Probe.make
  const host = yield* Exporter.make(
    Driver.composite({
      probe: Driver.make({
        client: "none.Client",
        methods: {
          ping: Driver.call(() => Effect.succeed("pong")),
          hang: Driver.call(() => hanging.watch(Effect.never))
        }
      })
    })
  )
  yield* tunnels.serve(leased, host.handlers)
  let dials = 0
  const controller = {
    ...leased.controller,
    dial: (lease: string) => Effect.zipRight(Effect.sync(() => dials++), leased.controller.dial(lease))
  }
  const open = yield* routerTunnel.lines({ controller, lease: tunnels.lease })
  return { dials: () => dials, hanging, socket: leaseSocket.serve(title, open) }
})

const probe = (socket: Effect.Effect.Success<Effect.Effect.Success<typeof bench>["socket"]>) =>
  Effect.flatMap(ExporterConnection.fromEndpoint(socket), (connection) => connection.driver("probe"))

describe("the socket of a lease", () => {
  it.scopedLive("leads each of its connections to the exporter, through a tunnel of its own", () =>
    Effect.gen(function*() {
      const { dials, socket } = yield* bench
      const endpoint = yield* socket
      const [one, other] = yield* Effect.all([probe(endpoint), probe(endpoint)])
      deepStrictEqual([yield* one.call("ping"), yield* other.call("ping"), dials()], ["pong", "pong", 2])
    }))

  it.scopedLive("can be used by this user alone", () =>
    Effect.gen(function*() {
      const { path } = yield* Effect.flatten(Effect.map(bench, ({ socket }) => socket))
      deepStrictEqual([modeOf(dirname(path)), modeOf(path)], [0o700, 0o600])
    }))

  it.scopedLive("ends with its scope, and with it what is under way and the directory", () =>
    Effect.gen(function*() {
      const { hanging, socket } = yield* bench
      const scope = yield* Scope.make()
      const endpoint = yield* Scope.extend(socket, scope)
      const driver = yield* probe(endpoint)
      const call = yield* Effect.fork(Effect.flip(driver.call("hang")))
      yield* hanging.started
      yield* Scope.close(scope, Exit.void)
      strictEqual((yield* Fiber.join(call))._tag, "ConnectionLost")
      yield* hanging.finalized
      assertTrue(!existsSync(dirname(endpoint.path)))
    }))

  it.scopedLive("refuses a connection that cannot be forwarded, and says why in the log", () =>
    Effect.gen(function*() {
      const messages: Array<string> = []
      const socket = leaseSocket.serve(title, Effect.fail(new Error("nobody is there")))
      const endpoint = yield* Effect.provide(socket, logged(messages))
      const error = yield* Effect.flip(probe(endpoint))
      strictEqual(error._tag === "ConnectError" && error.reason, "Unreachable")
      deepStrictEqual(messages, [
        `WARN a connection to the socket of ${title} could not be forwarded: nobody is there`
      ])
    }))

  it.scopedLive("passes the end of each direction on, and not that of the other", () =>
    Effect.gen(function*() {
      const line = new PassThrough()
      const { path } = yield* leaseSocket.serve(title, Effect.succeed(line))
      const received = yield* Effect.promise(() =>
        new Promise<string>((resolve, reject) => {
          let text = ""
          const client = Net.connect({ path, allowHalfOpen: true }, () => client.end("all of it"))
          client.on("data", (bytes) => {
            text += String(bytes)
          })
          client.on("end", () => resolve(text)).on("error", reject)
        })
      )
      strictEqual(received, "all of it")
    }))
})

describe("the variables for a child process", () => {
  const leased = { name: "one", exporter: { name: "rpi", labels: { kind: "sbc", board: "rpi4" } } }

  const socket = { _tag: "Unix", path: "/tmp/x" } as const

  it("are those of jmp shell", () => {
    deepStrictEqual(
      childEnvironment.of(leased, fake.config({ drivers: { allow: ["jumpstarter_driver_*", "mine.*"] } }), socket),
      {
        JUMPSTARTER_HOST: "/tmp/x",
        JMP_DRIVERS_ALLOW: "jumpstarter_driver_*,mine.*",
        JMP_EXPORTER: "rpi",
        JMP_LEASE: "one",
        JMP_EXPORTER_LABELS: "board=rpi4,kind=sbc"
      }
    )
  })

  it("let a child load any driver only where the configuration does", () => {
    const bare = { ...leased, exporter: { name: "rpi", labels: {} } }
    const allowed = (drivers: { readonly unsafe?: boolean }) =>
      childEnvironment.of(bare, fake.config({ drivers }), socket)
    strictEqual(allowed({ unsafe: true })["JMP_DRIVERS_ALLOW"], "UNSAFE")
    deepStrictEqual(allowed({}), {
      JUMPSTARTER_HOST: "/tmp/x",
      JMP_DRIVERS_ALLOW: "",
      JMP_EXPORTER: "rpi",
      JMP_LEASE: "one"
    })
  })
})
