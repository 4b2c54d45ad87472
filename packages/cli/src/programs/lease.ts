// Makes, extends and releases leases.
import * as Controller from "@effect-jumpstarter/core/Controller"
import * as Lease from "@effect-jumpstarter/core/Lease"
import * as Arr from "effect/Array"
import * as Effect from "effect/Effect"
import * as durations from "../durations.ts"
import * as lab from "../lab.ts"
import * as leaseLine from "../leaseLine.ts"
import type { Lab, Leasable, Request } from "../options.ts"
import * as output from "../output.ts"
import * as programCommand from "../programCommand.ts"

const printed = (json: boolean, lease: Controller.LeaseInfo) =>
  output.document(json, leaseLine.json(lease), () => output.table([leaseLine.header, leaseLine.row(lease)]))

export interface CreateArguments {
  readonly request: Request
  readonly json: boolean
  readonly tags: ReadonlyArray<readonly [name: string, value: string]>
}

export const create = ({ json, request, tags }: CreateArguments) =>
  Effect.gen(function*() {
    const { duration, exporterName, selector } = yield* lab.request(request)
    const controller = yield* Controller.Controller
    const lease = yield* controller.createLease({ duration, exporterName, selector, tags: Object.fromEntries(tags) })
    yield* printed(json, lease)
  }).pipe(Effect.provide(lab.controller(request)))

export interface ExtendArguments {
  readonly lab: Lab
  readonly json: boolean
  readonly by: string
  readonly name: string
}

export const extend = ({ by, json, lab: options, name }: ExtendArguments) =>
  Effect.gen(function*() {
    const duration = yield* durations.parse("by", by)
    const controller = yield* Controller.Controller
    yield* printed(json, yield* controller.extendLease(name, duration))
  }).pipe(Effect.provide(lab.controller(options)))

export interface ReleaseArguments {
  readonly lab: Lab
  readonly names: ReadonlyArray<string>
}

export const release = ({ lab: options, names }: ReleaseArguments) =>
  Effect.gen(function*() {
    const controller = yield* Controller.Controller
    // A lease that cannot be released does not keep the others.
    const released = yield* Effect.forEach(
      names,
      (name) => Effect.either(Effect.zipRight(controller.deleteLease(name), output.note(`released ${name}`)))
    )
    const [failure, ...others] = Arr.getLefts(released)
    yield* Effect.forEach(others, ({ message }) => output.note(message))
    if (failure !== undefined) return yield* failure
  }).pipe(Effect.provide(lab.controller(options)))

export interface ShellArguments {
  readonly target: Leasable
  readonly command: ReadonlyArray<string>
}

export const shell = ({ command, target }: ShellArguments) =>
  Effect.gen(function*() {
    const lease = yield* Lease.Lease
    yield* output.note(`leased ${lease.exporter.name} as ${lease.name}`)
    const socket = yield* lease.serveUnix
    yield* Effect.raceFirst(
      programCommand.run(command, lease.environment(socket)),
      Effect.flatMap(lease.ended, Effect.fail)
    )
  }).pipe(Effect.scoped, Effect.provide(lab.leased(target)))
