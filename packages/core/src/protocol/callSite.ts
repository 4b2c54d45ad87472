// The call that an error or a span is about, and its name there.
import * as Schema from "effect/Schema"
import type { Caller } from "./callerFrame.ts"

/**
 * The kind of a call. `resource` is the transfer of client-side bytes to or from a driver.
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
 * The method that was called, and its driver. `driver` is the path of names in the tree, and empty for the root. `address` is the
 * exporter's address, and empty for a fake without one.
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
  /** Where the program made the call. It becomes the `stack` of an error, not one of its fields. */
  readonly caller?: Caller | undefined
}

/**
 * The steps from an argument list or a result to the offending value.
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
