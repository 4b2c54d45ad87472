// Checks what a command needs, and says what to do about what it finds.
import * as ExporterConnection from "@effect-jumpstarter/core/ExporterConnection"
import * as ExporterStatus from "@effect-jumpstarter/core/ExporterStatus"
import * as Clock from "effect/Clock"
import * as Config from "effect/Config"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Exit from "effect/Exit"
import * as Option from "effect/Option"
import * as Stream from "effect/Stream"
import * as certificate from "../doctor/certificate.ts"
import { type Check, note, ok, problem } from "../doctor/check.ts"
import * as labChecks from "../doctor/lab.ts"
import * as runtime from "../doctor/runtime.ts"
import { CommandError, messageOf } from "../failure.ts"
import type { Target } from "../options.ts"
import * as output from "../output.ts"
import * as target from "../target.ts"
import * as visible from "../visible.ts"

export interface Arguments {
  readonly target: Target
  readonly json: boolean
}

const variables = [
  "JUMPSTARTER_HOST",
  "JMP_GRPC_INSECURE",
  "JMP_EXPORTER",
  "JMP_LEASE",
  "JMP_NAMESPACE",
  "JMP_NAME",
  "JMP_ENDPOINT"
]

const secrets = ["JMP_GRPC_PASSPHRASE", "JMP_TOKEN"]

const variable = (name: string) => Config.withDefault(Config.string(name), "")

const environment = Effect.gen(function*() {
  const shown = yield* Effect.forEach(
    variables,
    (name) => Effect.map(variable(name), (value) => value === "" ? [] : [`${name}=${value}`])
  )
  const hidden = yield* Effect.forEach(
    secrets,
    (name) => Effect.map(variable(name), (value) => value === "" ? [] : [`${name} (hidden)`])
  )
  const found = [...shown, ...hidden].flat()
  return note("environment", found.length === 0 ? "no variable of Jumpstarter is set" : found.join(" "))
})

// The clocks may differ by this much before certificates and tokens go wrong.
const tolerance = Duration.seconds(30)

const longest = "1 second"

/** Compares the time of the newest line of the exporter's log, which cannot be in the future. */
const clock = (connection: ExporterConnection.Connection) =>
  Effect.gen(function*() {
    const lines = yield* connection.logs.pipe(
      Stream.interruptAfter(longest),
      Stream.runFold(0, (newest, event) =>
        event._tag === "LogGap" ? newest : Math.max(
          newest,
          Option.match(event.timestamp, {
            onNone: () => 0,
            onSome: ({ epochMillis }) => epochMillis
          })
        ))
    )
    const ahead = Duration.millis(Math.max(0, lines - (yield* Clock.currentTimeMillis)))
    if (lines === 0) {
      return note("clock", "the exporter's log has no line to compare with")
    }
    return Duration.greaterThan(ahead, tolerance)
      ? problem(
        "clock",
        `the newest line of the exporter's log is ${
          Duration.format(Duration.seconds(Math.round(Duration.toSeconds(ahead))))
        } in the future`,
        "set the clock of this machine or that of the exporter; `timedatectl` shows a clock on Linux"
      )
      : ok("clock", "no line of the exporter's log is in the future")
  })

// Somebody waits for the answer of the doctor.
const patience = "10 seconds"

const exporter = (place: Target, isLeased: boolean) =>
  Effect.gen(function*() {
    const patient = { ...place, acquisitionTimeout: Option.orElseSome(place.acquisitionTimeout, () => patience) }
    const connected = yield* Effect.exit(Effect.timed(Effect.scoped(
      Effect.gen(function*() {
        const connection = yield* ExporterConnection.ExporterConnection
        const status = yield* Effect.either(connection.status)
        const time = yield* clock(connection)
        return { address: connection.address, drivers: connection.root.children.size, status, time }
      }).pipe(Effect.provide(target.layer(patient)))
    )))
    if (Exit.isFailure(connected)) {
      const todo = isLeased
        ? "look at `effect-jumpstarter exporters` and `effect-jumpstarter leases`, or wait longer with --acquisition-timeout"
        : "check that the exporter runs, and its address: a socket, HOST:PORT, tcp:// or tls://"
      return [problem("exporter", messageOf(connected.cause), todo)]
    }
    const [, { address, drivers, status, time }] = connected.value
    const reached = ok(
      "exporter",
      `${address} answers, with ${drivers} ${drivers === 1 ? "driver" : "drivers"} at the top`
    )
    const ready = Either.match(status, {
      onLeft: (error) => problem("status", error.message, "look at the exporter's own log"),
      onRight: ({ message, status }) =>
        ExporterStatus.admitsDriverCalls(status)
          ? ok("status", status)
          : problem(
            "status",
            message === "" ? status : `${status}: ${message}`,
            "lease the exporter, or wait with `effect-jumpstarter status --wait`"
          )
    })
    return [reached, ready, time]
  })

const asText = (checks: ReadonlyArray<Check>): ReadonlyArray<string> =>
  output.table(checks.map(({ found, name, todo, verdict }) => [
    { ok: "ok", note: "-", problem: "PROBLEM" }[verdict],
    name,
    visible.line(todo === undefined ? found : `${found} -> ${todo}`)
  ]))

export const run = ({ json, target: place }: Arguments) =>
  Effect.gen(function*() {
    const hasHost = Option.isSome(place.host) || (yield* variable("JUMPSTARTER_HOST")) !== ""
    const isLeased = Option.isSome(place.selector) || Option.isSome(place.exporter) || Option.isSome(place.lease)
    const checks: ReadonlyArray<Check> = [
      ...runtime.checks(),
      yield* environment,
      ...yield* labChecks.checks(place, isLeased),
      ...yield* certificate.checks(place),
      ...hasHost || isLeased
        ? yield* exporter(place, isLeased)
        : [note("exporter", "none is named; give --host ADDRESS, --selector LABELS or --exporter NAME to check it")]
    ]
    yield* output.document(json, checks.map((check) => ({ ...check })), () => asText(checks))
    const problems = checks.filter(({ verdict }) => verdict === "problem")
    if (problems.length > 0) {
      return yield* new CommandError({
        kind: "unmet",
        message: `${problems.length} of ${checks.length} checks found a problem: ${
          problems.map(({ name }) => name).join(", ")
        }`
      })
    }
  })
