// Resources encoded by Python's own libraries: what users have on their disks was not encoded by us.
import { describe, it } from "@effect/vitest"
import { deepStrictEqual } from "@effect/vitest/utils"
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import { execFile } from "node:child_process"
import * as ContentEncoding from "../../src/resource/ContentEncoding.ts"
import * as Resource from "../../src/resource/Resource.ts"
import { use } from "../suite/harness.ts"
import * as probeHost from "../support/probeHost.ts"
import { image, sha256 } from "../support/probePattern.ts"
import * as python from "../support/python.ts"
import * as pythonPeers from "../support/pythonPeers.ts"

const megabytes = 16

// The same bytes as `image` makes.
const encoder = (encoding: ContentEncoding.ContentEncoding): string => `
import bz2, gzip, lzma, sys
from jumpstarter.streams.encoding import zstd
chunks = [i.to_bytes(4, "big") + bytes([i % 251]) * 65532 for i in range(${megabytes} * 16)]
encode = {"gzip": gzip.compress, "xz": lzma.compress, "bz2": bz2.compress, "zstd": zstd.compress}["${encoding}"]
sys.stdout.buffer.write(encode(b"".join(chunks)))
`

const encode = (encoding: ContentEncoding.ContentEncoding): Effect.Effect<Uint8Array> =>
  Effect.runSync(Effect.cached(Effect.async((resume) => {
    const [file, ...args] = python.script(encoder(encoding))
    execFile(
      file,
      args,
      { encoding: "buffer", maxBuffer: 1 << 28 },
      (error, stdout) => resume(error === null ? Effect.succeed(stdout) : Effect.die(error))
    )
  })))

const [pythonPeer] = pythonPeers.make()
const [memory] = probeHost.peers

describe("encoded by Python", () => {
  for (const encoding of ContentEncoding.ContentEncoding.literals) {
    const encodedOnce = encode(encoding)
    for (const peer of [pythonPeer, memory]) {
      if (peer === undefined) continue
      it.scopedLive(`${encoding}, read by ${peer.name}`, () =>
        Effect.gen(function*() {
          const encoded = yield* encodedOnce
          const source = Resource.source(Stream.make(encoded), { contentEncoding: encoding, size: encoded.length })
          const received = yield* use((probe) => probe.consume(source))
          deepStrictEqual(received, {
            size: megabytes * 1024 * 1024,
            sha256: sha256(image(megabytes))
          })
        }).pipe(Effect.provide(peer.session)))
    }
  }
})
