// How a call is named where people read it: in errors, and in the spans of either side.
import type { CallKind, CallSite } from "../DriverError.ts"

export type Call = Pick<CallSite, "driver" | "kind" | "method">

const kindNames: Record<CallKind, string> = {
  call: "call",
  streamingCall: "streaming call",
  stream: "stream",
  resource: "transfer"
}

export const callName = ({ driver, kind, method }: Call): string =>
  `${kindNames[kind]} ${driver === "" ? "(root)" : driver}.${method}`
