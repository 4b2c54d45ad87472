// Lists the exporters of a lab.
import * as Controller from "@effect-jumpstarter/core/Controller"
import * as Chunk from "effect/Chunk"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Stream from "effect/Stream"
import * as lab from "../lab.ts"
import type { Lab } from "../options.ts"
import * as output from "../output.ts"
import * as visible from "../visible.ts"

export interface Arguments {
  readonly lab: Lab
  readonly json: boolean
  readonly selector: Option.Option<string>
}

const shownLabels = (labels: Readonly<Record<string, string>>): string =>
  Object.entries(labels).map(([name, value]) => `${name}=${value}`).join(",")

export const run = ({ json, lab: options, selector }: Arguments) =>
  Effect.gen(function*() {
    const controller = yield* Controller.Controller
    const exporters = yield* Stream.runCollect(controller.exporters({ selector: Option.getOrUndefined(selector) }))
    yield* output.document(
      json,
      Chunk.toReadonlyArray(exporters).map(({ enabled, labels, name, online, status, statusMessage }) => ({
        name,
        online,
        enabled,
        status,
        message: statusMessage,
        labels
      })),
      () =>
        output.table([
          ["NAME", "ONLINE", "STATUS", "LABELS"],
          ...Chunk.toReadonlyArray(exporters).map(({ enabled, labels, name, online, status }) => [
            visible.line(name),
            online ? "yes" : "no",
            enabled ? status : `${status}, disabled`,
            visible.line(shownLabels(labels))
          ])
        ])
    )
  }).pipe(Effect.provide(lab.controller(options)))
