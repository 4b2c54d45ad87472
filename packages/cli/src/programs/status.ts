// Prints which exporter this is, and how it is.
import * as ExporterConnection from "@effect-jumpstarter/core/ExporterConnection"
import type * as ExporterStatus from "@effect-jumpstarter/core/ExporterStatus"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Stream from "effect/Stream"
import type { Target } from "../options.ts"
import * as output from "../output.ts"
import * as target from "../target.ts"
import * as visible from "../visible.ts"

export interface Arguments {
  readonly target: Target
  readonly json: boolean
  readonly wait: boolean
  readonly follow: boolean
}

const statusOf = ({ message, previous, status, version }: ExporterStatus.StatusReport) => ({
  status,
  message,
  previous: Option.getOrNull(previous),
  // A version can be larger than a number of JSON.
  version: Option.getOrNull(Option.map(version, String))
})

const shownStatus = ({ message, status }: ExporterStatus.StatusReport): string =>
  message === "" ? status : `${status}: ${visible.line(message)}`

const shownLabels = (labels: Readonly<Record<string, string>>): string =>
  visible.line(Object.entries(labels).map(([name, value]) => `${name}=${value}`).join(" "))

// Statuses without versions, of older exporters, differ only in what they say.
const isSame = (one: ExporterStatus.StatusReport, other: ExporterStatus.StatusReport): boolean =>
  one.status === other.status && one.message === other.message &&
  (Option.isNone(one.version) || Option.isNone(other.version) || one.version.value === other.version.value)

export const run = ({ follow, json, target: place, wait }: Arguments) =>
  Effect.gen(function*() {
    const connection = yield* ExporterConnection.ExporterConnection
    const status = yield* wait ? connection.awaitReady : connection.status
    const { address, labels, metadata, motd, uuid } = connection
    const lease = Option.getOrUndefined(metadata)
    const value = {
      address,
      uuid,
      labels,
      motd,
      ...statusOf(status),
      exporter: lease?.name ?? null,
      lease: Option.getOrNull(Option.flatMap(metadata, ({ lease }) => lease))
    }
    const rows = () =>
      output.table([
        ["address", visible.line(address)],
        ["status", shownStatus(status)],
        ...lease === undefined ? [] : [["exporter", visible.line(lease.name)]],
        ...value.lease === null ? [] : [["lease", visible.line(value.lease)]],
        ["uuid", visible.line(uuid)],
        ...Object.keys(labels).length === 0 ? [] : [["labels", shownLabels(labels)]],
        ...motd === "" ? [] : visible.lines(motd).map((line, index) => [index === 0 ? "message" : "", line])
      ])
    if (!follow) return yield* output.document(json, value, rows)
    yield* output.item(json, value, () => rows().join("\n"))
    // The status may have changed since it was printed.
    yield* Stream.concat(Stream.make<[ExporterStatus.StatusReport]>(status), connection.statusChanges).pipe(
      Stream.changesWith(isSame),
      Stream.drop(1),
      Stream.runForEach((change) => output.item(json, statusOf(change), () => shownStatus(change)))
    )
  }).pipe(Effect.provide(target.layer(place)))
