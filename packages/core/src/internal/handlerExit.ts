// What a served RPC ends with, for every transport.
import * as Cause from "effect/Cause"
import * as Option from "effect/Option"
import * as GrpcStatus from "../GrpcStatus.ts"

// A failure is the status to send, an interruption a cancellation, and a defect an `UNKNOWN` that says what happened:
// the reference implementation answers unforeseen exceptions the same way (protocol.md 4.3).
export const statusOf = (cause: Cause.Cause<GrpcStatus.GrpcStatusError>): GrpcStatus.GrpcStatusError =>
  Option.getOrElse(Cause.failureOption(cause), () => {
    const defect = Cause.dieOption(cause)
    return Option.isSome(defect)
      ? GrpcStatus.make(
        "UNKNOWN",
        defect.value instanceof Error ? defect.value.message : String(defect.value),
        defect.value
      )
      : GrpcStatus.make("CANCELLED", "the RPC was cancelled")
  })

export const notImplemented = (rpc: string): GrpcStatus.GrpcStatusError =>
  GrpcStatus.make("UNIMPLEMENTED", `The server does not implement the method ${rpc}`)
