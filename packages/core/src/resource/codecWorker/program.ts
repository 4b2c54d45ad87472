// The program of a codec's worker thread. Terminating the thread releases everything, WebAssembly memory included, even in the
// middle of a call.
//
// A thread of its own also keeps what these libraries do to their process away from ours: libbzip2-wasm installs handlers
// for uncaught exceptions and unhandled rejections.
//
// `npm run codegen` bundles it into generated.ts.
import * as bz2 from "./bz2.ts"
import { CodecFailure } from "./failure.ts"
import type { Task } from "./messages.ts"
import { ask, codec } from "./port.ts"
import * as xz from "./xz.ts"
import * as zstd from "./zstd.ts"

const codecs: Readonly<Record<Task["codec"], () => void | Promise<void>>> = {
  "xz-encode": xz.encode,
  "xz-decode": xz.decode,
  "zstd-encode": zstd.encode,
  "zstd-decode": zstd.decode,
  "bz2-encode": bz2.encode,
  "bz2-decode": bz2.decode
}

// The last message also waits for an answer: the thread stays until it is terminated, so no message is lost.
Promise.resolve().then(codecs[codec]).then(
  () => ask({ _tag: "Done" }),
  (error) =>
    ask({
      _tag: "Failure",
      reason: error instanceof CodecFailure ? error.reason : "Unavailable",
      details: error instanceof Error ? error.message : String(error)
    })
)
