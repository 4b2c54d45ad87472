// Which call something is about, and how it is named where people read it: in errors, and in the spans of either side.
import * as Schema from "effect/Schema"
import type { Caller } from "./callerFrame.ts"

/**
 * The kind of interaction that failed. `resource` is the transfer of client-side bytes to or from a driver.
 *
 * @since 0.1.0
 * @category schemas
 */
export const CallKind = Schema.Literal("call", "streamingCall", "stream", "resource")

/**
 * @since 0.1.0
 * @category models
 */
export type CallKind = typeof CallKind.Type

/**
 * Which method of which driver was called. `driver` is the name path in the tree, empty for the root. `address` is the
 * exporter's, and empty for a fake without one.
 *
 * @since 0.1.0
 * @category models
 */
export interface CallSite {
  readonly address: string
  readonly driver: string
  readonly uuid: string
  readonly method: string
  readonly kind: CallKind
  /** Where the program made the call. It goes into the `stack` of an error, and is no field of it. */
  readonly caller?: Caller | undefined
}

/**
 * Steps from an argument list or a result to the offending value.
 *
 * @since 0.1.0
 * @category models
 */
export type ValuePath = ReadonlyArray<string | number>

export type Call = Pick<CallSite, "driver" | "kind" | "method">

const kindNames: Record<CallKind, string> = {
  call: "call",
  streamingCall: "streaming call",
  stream: "stream",
  resource: "transfer"
}

export const callName = ({ driver, kind, method }: Call): string =>
  `${kindNames[kind]} ${driver === "" ? "(root)" : driver}.${method}`
