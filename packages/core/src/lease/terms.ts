// The terms of a lease: those of a request with their defaults, or those of a lease that exists already.
import type * as DateTime from "effect/DateTime"
import * as Duration from "effect/Duration"
import type { ControllerClient, NewLease } from "../controller/Controller.ts"
import { type AttachOptions, describe, type Extension, type LeaseRequest, type Target } from "./leaseRequest.ts"

export interface Terms {
  readonly controller: ControllerClient
  readonly name: string
  /** What was asked for, in words. */
  readonly requested: string
  /** The lease as the log calls it. */
  readonly title: string
  /** What is created. Absent when the lease exists already: then it is not released either. */
  readonly creates: NewLease | undefined
  readonly waitAtMost: Duration.Duration
  readonly beginTime: DateTime.Utc | undefined
  readonly extend: Extension | undefined
  readonly afterLease: Duration.Duration
  readonly connect: NonNullable<LeaseRequest["connect"]>
}

const defaultHook = Duration.minutes(5)

export const waitOf = ({ config }: ControllerClient, { waitAtMost }: AttachOptions): Duration.Duration =>
  Duration.decode(waitAtMost ?? config.leases.acquisitionTimeout)

/** What is requested under a key, in words. */
export const describeMember = (key: string, target: Target): string => `${key} (${describe(target)})`

/** `key` is what the program calls it among others. */
export const ofRequest = (controller: ControllerClient, name: string, request: LeaseRequest, key?: string): Terms => {
  const { beginTime, duration, exporterName, selector, tags } = request
  const requested = key === undefined ? describe(request) : describeMember(key, request)
  return {
    controller,
    name,
    requested,
    title: `the lease ${name} for ${requested}`,
    creates: { name, selector, exporterName, duration, beginTime, tags },
    waitAtMost: waitOf(controller, request),
    beginTime,
    extend: request.extend,
    afterLease: Duration.decode(request.afterLease ?? defaultHook),
    connect: request.connect ?? {}
  }
}

export const ofName = (controller: ControllerClient, name: string, options: AttachOptions): Terms => ({
  controller,
  name,
  requested: `the name ${name}`,
  title: `the lease ${name}`,
  creates: undefined,
  waitAtMost: waitOf(controller, options),
  beginTime: undefined,
  extend: options.extend,
  afterLease: Duration.zero,
  connect: options.connect ?? {}
})
