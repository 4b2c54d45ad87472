// Lists the leases of a lab.
import * as Controller from "@effect-jumpstarter/core/Controller"
import * as Chunk from "effect/Chunk"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Stream from "effect/Stream"
import * as lab from "../lab.ts"
import * as leaseLine from "../leaseLine.ts"
import type { Lab } from "../options.ts"
import * as output from "../output.ts"

export interface Arguments {
  readonly lab: Lab
  readonly json: boolean
  readonly ended: boolean
  readonly mine: boolean
}

export const run = ({ ended, json, lab: options, mine }: Arguments) =>
  Effect.gen(function*() {
    const controller = yield* Controller.Controller
    const all = Chunk.toReadonlyArray(yield* Stream.runCollect(controller.leases({ ended })))
    const leases = mine ? all.filter(({ client }) => Option.contains(client, controller.config.name)) : all
    yield* output.document(
      json,
      leases.map(leaseLine.json),
      () => output.table([leaseLine.header, ...leases.map(leaseLine.row)])
    )
  }).pipe(Effect.provide(lab.controller(options)))
