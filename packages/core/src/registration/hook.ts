// The hooks of an exporter: what runs before and after each lease, with the drivers (protocol.md 9.4).
import * as Cause from "effect/Cause"
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as FiberRef from "effect/FiberRef"
import * as HashSet from "effect/HashSet"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import type * as Scope from "effect/Scope"
import * as connecting from "../client/connecting.ts"
import type { ConnectError } from "../client/ExporterConnection.ts"
import { ExporterConnection } from "../client/ExporterConnection.ts"
import type { OnFailure } from "../controller/ExporterConfig.ts"
import * as Endpoint from "../grpc/Endpoint.ts"
import type { GrpcHandlers } from "../grpc/GrpcHandler.ts"
import type * as Exporter from "../host/Exporter.ts"
import * as hostLog from "../host/log.ts"
import { type ExporterStatus, HookFailed, hookWarningPrefix, type LeaseHook } from "../protocol/ExporterStatus.ts"
import * as telemetry from "../telemetry/leases.ts"
import * as GrpcChannel from "../transport/GrpcChannel.ts"
import * as GrpcServer from "../transport/GrpcServer.ts"
import * as socketDirectory from "../transport/socketDirectory.ts"
import * as interruptible from "../util/interruptible.ts"

/**
 * The lease for which a hook runs.
 *
 * @since 0.1.0
 * @category models
 */
export interface LentLease {
  readonly name: string
  /** The name of the client that holds the lease. It changes when the lease is transferred. */
  readonly client: string
  /** Values that the client gave the lease. Older services have none. */
  readonly context: Readonly<Record<string, string>>
  /** The name of the exporter. */
  readonly exporter: string
  /** Which hook runs. */
  readonly hook: LeaseHook
  /** Adds a text to the message of the day for clients that connect from now on, in place of what the hook announced before. */
  readonly announce: (text: string) => Effect.Effect<void>
  /** Serves the drivers on a Unix socket until the scope closes, for a program that the hook starts. Only this user can connect. */
  readonly serveUnix: Effect.Effect<Endpoint.Unix, GrpcServer.GrpcServerError, Scope.Scope>
  /** The variables that Python gives the scripts of hooks, with which a program uses the socket (`protocol.md` 9.4). */
  readonly environment: (socket: Endpoint.Unix) => Readonly<Record<string, string>>
}

/**
 * The lease for which a hook runs, as a service of the hook.
 *
 * @since 0.1.0
 * @category tags
 */
export class CurrentLease extends Context.Tag("@effect-jumpstarter/core/ExporterRegistration/CurrentLease")<
  CurrentLease,
  LentLease
>() {}

/**
 * What runs before or after each lease. It has the drivers as an `ExporterConnection`, and the lease as `CurrentLease`. What it logs is in
 * the exporter's log while it runs.
 *
 * @since 0.1.0
 * @category models
 */
export interface Hook<out R = never> {
  readonly run: Effect.Effect<void, Error, R>
  /** How long it may take; 2 minutes unless given. It is then interrupted, and has failed. */
  readonly timeout?: Duration.DurationInput | undefined
  /** What happens when it fails: the lease goes on with a warning (`warn`), or ends (`endLease`), and the exporter too (`exit`); `warn` unless given. */
  readonly onFailure?: OnFailure | undefined
}

/** What a hook has besides the services of the program. */
export type OfHook = ExporterConnection | CurrentLease | Scope.Scope

/** The token or the passphrase of the exporter, which scripts do not inherit. */
export class Secret extends Context.Reference<Secret>()("@effect-jumpstarter/core/ExporterRegistration/Secret", {
  defaultValue: () => Redacted.make("")
}) {}

/** What a hook runs in. */
export interface Stage {
  readonly exporter: string
  readonly host: Exporter.Exporter
  readonly handlers: GrpcHandlers
  readonly lease: { readonly name: string; readonly client: string; readonly context: Readonly<Record<string, string>> }
  readonly localLogs: boolean
  readonly secret?: Redacted.Redacted | undefined
}

/** How a hook has ended. */
export type Outcome =
  /** The session goes on. A warning that is not empty is for its client. */
  | { readonly _tag: "Passed"; readonly warning: string }
  | { readonly _tag: "Failed"; readonly onFailure: Exclude<OnFailure, "warn">; readonly error: HookFailed }

const defaultTimeout = Duration.minutes(2)

const statuses = {
  beforeLease: { running: "BEFORE_LEASE_HOOK", text: "Running beforeLease hook" },
  afterLease: { running: "AFTER_LEASE_HOOK", text: "Running afterLease hooks" }
} as const

class HookTimeout extends Error {}

const reasonOf = (cause: Cause.Cause<Error>): string => {
  if (Cause.isInterruptedOnly(cause)) return "Hook was interrupted"
  const error = Cause.squash(cause)
  return error instanceof Error ? error.message === "" ? error.name : error.message : String(error)
}

const lentLease = (hook: LeaseHook, { exporter, handlers, host, lease }: Stage): LentLease => ({
  ...lease,
  exporter,
  hook,
  announce: host.announce,
  serveUnix: Effect.flatMap(
    socketDirectory.path,
    (path) => Effect.as(GrpcServer.serve(handlers, { path }), Endpoint.unix(path))
  ),
  environment: ({ path }) => ({
    JUMPSTARTER_HOST: path,
    JMP_DRIVERS_ALLOW: "UNSAFE",
    LEASE_NAME: lease.name,
    CLIENT_NAME: lease.client,
    TERM: "dumb",
    DEBIAN_FRONTEND: "noninteractive",
    GIT_TERMINAL_PROMPT: "0"
  })
})

/** Runs a hook, and returns why it failed, for the client. */
const run = (
  name: LeaseHook,
  { run, timeout = defaultTimeout }: Hook<OfHook>,
  stage: Stage
): Effect.Effect<Option.Option<string>> =>
  Effect.gen(function*() {
    const { exporter, handlers, host, lease, localLogs, secret = Redacted.make("") } = stage
    const bound = Duration.decode(timeout)
    const logger = hostLog.makeLogger(
      statuses[name].running,
      (entry) => Effect.runSync(host.log(hostLog.toEntry(entry)))
    )
    const hook: Effect.Effect<void, Error | ConnectError> = Effect.scoped(Effect.gen(function*() {
      const channel = yield* GrpcChannel.fromHandlers(handlers, { target: `exporter ${exporter}` })
      const { connection } = yield* connecting.connect(Effect.succeed(channel), channel.target, {}, {
        caller: undefined
      })
      yield* run.pipe(
        Effect.provideService(ExporterConnection, connection),
        Effect.provideService(CurrentLease, lentLease(name, stage)),
        Effect.provideService(Secret, secret),
        Effect.locallyWith(
          FiberRef.currentLoggers,
          (loggers) => localLogs ? HashSet.add(loggers, logger) : HashSet.make(logger)
        )
      )
    }))
    const exit = yield* hook.pipe(
      interruptible.timeoutFail({
        duration: bound,
        onTimeout: () => new HookTimeout(`Hook timed out after ${Duration.toSeconds(bound)} seconds`)
      }),
      Effect.exit
    )
    if (Exit.isSuccess(exit)) return Option.none()
    const reason = reasonOf(exit.cause)
    if (localLogs) yield* Effect.logWarning(`the ${name} hook of the lease ${lease.name} failed: ${reason}`, exit.cause)
    return Option.some(reason)
  })

/** Runs a hook, and shows in the exporter's status that it runs and that it has failed (protocol.md 9.2). */
export const perform = (
  name: LeaseHook,
  hook: Hook<OfHook>,
  stage: Stage,
  become: (status: ExporterStatus, message: string) => Effect.Effect<void>
): Effect.Effect<Outcome> =>
  Effect.gen(function*() {
    const { running, text } = statuses[name]
    yield* become(running, text)
    // That of the session before.
    if (name === "beforeLease") yield* stage.host.announce("")
    const reason = yield* run(name, hook, stage)
    if (Option.isNone(reason)) return { _tag: "Passed", warning: "" }
    const { onFailure = "warn" } = hook
    yield* telemetry.hookFailed(stage.exporter, name, onFailure)
    if (onFailure === "warn") {
      return { _tag: "Passed", warning: `${hookWarningPrefix}${name} hook warning: ${reason.value}` }
    }
    const why = onFailure === "exit" ? "exit, shutting down" : onFailure
    const details = `${name} hook failed (on_failure=${why}): ${reason.value}`
    const status = `${running}_FAILED` as const
    yield* become(status, details)
    const error = new HookFailed({ address: stage.exporter, hook: name, status, details, logs: [] })
    return { _tag: "Failed", onFailure, error }
  })
