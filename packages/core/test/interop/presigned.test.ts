// Python's flasher lets our host fetch an image from a URL, and put a dump there (protocol.md 6.4). On exporters in Python
// the latter hangs.
import { Driver, Exporter } from "@effect-jumpstarter/core"
import { FlasherTest } from "@effect-jumpstarter/core/testing"
import { Command } from "@effect/platform"
import { NodeContext } from "@effect/platform-node"
import { assert, it } from "@effect/vitest"
import { Effect, Schema } from "effect"
import * as httpServer from "../support/httpServer.ts"
import { redirect, routes } from "../support/presigned.ts"
import { sha256 } from "../support/probePattern.ts"
import * as python from "../support/python.ts"
import * as temporary from "../support/temporary.ts"

const program = `
import json, sys
from contextlib import ExitStack
from anyio.from_thread import start_blocking_portal
from jumpstarter.client import client_from_path

address, origin = sys.argv[1:]
with start_blocking_portal() as portal, ExitStack() as stack:
    connecting = client_from_path(address, portal, stack, allow=[], unsafe=True)
    with portal.wrap_async_context_manager(connecting) as client:
        client.flasher.flash(origin + "/moved", target="boot")
        client.flasher.dump(origin + "/dump", target="boot")
        try:
            client.flasher.flash(origin + "/missing?sig=secret")
        except Exception as e:
            print(json.dumps({"class": type(e).__name__, "text": str(e)}))
`

const Failure = Schema.parseJson(Schema.Struct({ class: Schema.String, text: Schema.String }))

it.scopedLive("Python's flasher has images fetched, and dumps put", () =>
  Effect.gen(function*() {
    const image = Uint8Array.from({ length: 1_000_000 }, (_, index) => index * 7)
    const dumps: Array<Uint8Array> = []
    const { origin } = yield* httpServer.serve(routes({
      "/moved": redirect("/image"),
      "/image": (_, response) => void response.end(image),
      "/dump": (request, response) => {
        request.on("data", (data: Uint8Array) => dumps.push(data)).on("end", () => response.end())
      }
    }))
    const flasher = yield* FlasherTest.make()
    // The client of the core package; that of jumpstarter-driver-opendal cannot write to a URL.
    const driver: Driver.Driver = { ...flasher.driver, client: "jumpstarter.client.flasher.FlasherClient" }
    const exporter = yield* Exporter.make(Driver.composite({ flasher: driver }), { presignedNetworks: ["loopback"] })
    const path = yield* temporary.socketPath
    yield* Exporter.serve(exporter, { path })

    const [file, ...args] = python.script(program)
    const output = yield* Command.make(file, ...args, path, origin).pipe(
      Command.stderr("inherit"),
      Command.string,
      Effect.provide(NodeContext.layer)
    )
    assert.deepStrictEqual((yield* flasher.flashed).map(({ sha256, target }) => [target, sha256]), [
      ["boot", sha256([image])]
    ])
    assert.strictEqual(sha256(dumps), sha256([image]))
    const failure = yield* Schema.decode(Failure)(output)
    assert.strictEqual(failure.class, "DriverError")
    assert.include(
      failure.text,
      `gRPC UNKNOWN: the presigned GET of ${origin}/missing?[REDACTED] was answered with 404`
    )
  }))
