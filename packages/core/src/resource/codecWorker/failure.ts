import type { Failure } from "./messages.ts"

// Why a codec gives up.
export class CodecFailure extends Error {
  constructor(readonly reason: Failure["reason"], details: string) {
    super(details)
  }
}

export const truncated = (): CodecFailure => new CodecFailure("Truncated", "unexpected end of input")
