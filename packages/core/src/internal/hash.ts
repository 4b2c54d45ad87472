// SHA-256 of bytes that come in pieces, which Web Crypto cannot do.
import * as Effect from "effect/Effect"
import * as Sink from "effect/Sink"
import { createHash } from "node:crypto"

export type Algorithm = "sha256" | "md5"

export const ofBytes = (bytes: Uint8Array, algorithm: Algorithm = "sha256"): string =>
  createHash(algorithm).update(bytes).digest("hex")

// The SHA-256 of everything a stream yields.
export const sha256: Sink.Sink<string, Uint8Array> = Sink.suspend(() => {
  const hash = createHash("sha256")
  return Sink.map(Sink.forEach((chunk: Uint8Array) => Effect.sync(() => hash.update(chunk))), () => hash.digest("hex"))
})
