// Forwards a local port or socket to what a driver connects to.
import * as Device from "@effect-jumpstarter/core/Device"
import * as Network from "@effect-jumpstarter/core/drivers/Network"
import * as ExporterConnection from "@effect-jumpstarter/core/ExporterConnection"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as contracts from "../contracts.ts"
import { usage } from "../failure.ts"
import type { Target } from "../options.ts"
import * as output from "../output.ts"
import * as target from "../target.ts"

export interface Arguments {
  readonly target: Target
  readonly json: boolean
  readonly port: Option.Option<number>
  readonly address: Option.Option<string>
  readonly socket: Option.Option<string>
  readonly path: string
}

export const run = ({ address, json, path, port, socket, target: place }: Arguments) =>
  Effect.gen(function*() {
    if (Option.isSome(socket) && (Option.isSome(port) || Option.isSome(address))) {
      return yield* usage("--socket and --port both name a place to listen; leave out one of them")
    }
    const driver = yield* ExporterConnection.driver(contracts.parsePath(path))
    const entry = contracts.entryOf(driver)
    const shownPath = contracts.shownPath(driver.path)
    if (entry !== undefined && entry.methods["connect"]?.kind !== "Stream") {
      return yield* usage(`${shownPath} is a ${entry.name}, which cannot be forwarded: it opens no connections`)
    }
    const network = Device.fromInterface(driver, Network.contract)
    if (Option.isSome(socket)) {
      const { path: local } = yield* Network.unixForward(network, { path: socket.value })
      yield* output.item(json, { driver: path, socket: local }, () => local)
    } else {
      const local = yield* Network.portForward(network, {
        host: Option.getOrUndefined(address),
        port: Option.getOrUndefined(port)
      })
      yield* output.item(json, { driver: path, ...local }, () => `${local.host}:${local.port}`)
    }
    yield* output.note(`forwarding to ${shownPath} until Ctrl-C`)
    return yield* Effect.never
  }).pipe(Effect.scoped, Effect.provide(target.layer(place)))
