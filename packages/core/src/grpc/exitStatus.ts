// The status that a served RPC ends with, for every transport.
import * as Cause from "effect/Cause"
import * as Option from "effect/Option"
import * as GrpcStatus from "./GrpcStatus.ts"
import { shownText } from "./shownText.ts"

// gRPC accepts 8 KiB of trailers by default. Longer trailers make the peer lose the status or even the connection.
const maxDetailsBytes = 6 * 1024

// A UTF-16 unit takes up to nine bytes in trailers: three bytes of UTF-8, each percent-encoded.
const bytesPerUnit = 9

// Makes details fit to be sent. They may quote what a peer has sent, so they may have any length and be invalid Unicode.
const toDetails = (text: string): string => {
  const details = text.toWellFormed()
  if (details.length * bytesPerUnit <= maxDetailsBytes) return details
  let size = 0
  let end = 0
  for (const character of details) {
    size += encodeURIComponent(character).length
    if (size > maxDetailsBytes) return `${details.slice(0, end)}… (${details.length - end} more characters)`
    end += character.length
  }
  return details
}

const textOf = (defect: unknown): string => shownText(defect, "the driver failed with something that cannot be shown")

// A failure is the status to send, and an interruption becomes `CANCELLED`. A defect becomes an `UNKNOWN` that says what
// happened, as unforeseen exceptions do in the reference implementation (protocol.md 4.3).
export const statusOf = (cause: Cause.Cause<GrpcStatus.GrpcStatusError>): GrpcStatus.GrpcStatusError => {
  const failure = Cause.failureOption(cause)
  if (Option.isSome(failure)) {
    const details = toDetails(failure.value.details)
    // The status OK would tell the caller that the RPC succeeded.
    if (failure.value.code === "OK") {
      return GrpcStatus.make("UNKNOWN", `the handler failed with the status OK: ${details}`, failure.value)
    }
    return details === failure.value.details
      ? failure.value
      : GrpcStatus.amend(failure.value, { details })
  }
  return Option.match(Cause.dieOption(cause), {
    onNone: () => GrpcStatus.make("CANCELLED", "the RPC was cancelled"),
    onSome: (defect) => GrpcStatus.make("UNKNOWN", toDetails(textOf(defect)), defect)
  })
}

export const notImplemented = (rpc: string): GrpcStatus.GrpcStatusError =>
  GrpcStatus.make("UNIMPLEMENTED", toDetails(`The server does not implement the method ${rpc}`))
