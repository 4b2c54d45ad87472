import { assert, describe, it } from "@effect/vitest"
import * as DriverError from "../../src/protocol/DriverError.ts"
import * as pythonTexts from "../../src/protocol/pythonTexts.ts"

// Texts that only hardware, a web server or a dying exporter produces. interop/pythonTexts provokes the others.
const table: ReadonlyArray<readonly [code: DriverError.DriverCallError["code"], details: string, advice: RegExp]> = [
  [
    "UNKNOWN",
    "Unexpected <class 'KeyError'>: UUID('0f8fad5b-d9cb-469f-a165-70867728950e')",
    /no longer has this driver/
  ],
  [
    "UNKNOWN",
    "Unexpected <class 'pydantic_core._pydantic_core.ValidationError'>: 1 validation error",
    /^Python's ValidationError was raised in the exporter/
  ],
  ["UNKNOWN", "Adc.read() missing 2 required positional arguments: 'channel' and 'gain'", /: 'channel' and 'gain'$/],
  ["INVALID_ARGUMENT", "1 validation error for Config\nchannel\n  Field required", /second line names/],
  ["UNKNOWN", "'float' object cannot be interpreted as an integer", /arrives in Python as a float/],
  ["RESOURCE_EXHAUSTED", "SERVER: Received message larger than max (5000054 vs. 4194304)", /lend the bytes/],
  ["UNAUTHENTICATED", "invalid or missing passphrase", /JMP_GRPC_PASSPHRASE/],
  ["FAILED_PRECONDITION", "Exporter not ready for driver calls (status: AVAILABLE)", /awaitReady/],
  ["UNKNOWN", "Already at end of stream", /compress it as one/],
  ["UNKNOWN", "End of stream already reached", /compress it as one/],
  ["UNKNOWN", "Error -3 while decompressing data: incorrect header check", /contentEncoding/],
  ["INTERNAL", "Invalid data stream", /contentEncoding/],
  [
    "UNKNOWN",
    "Presigned HTTP GET request failed: status=403, reason='Forbidden', url=http://s3/a",
    /has the URL expired/
  ],
  [
    "UNKNOWN",
    "Presigned HTTP GET stream failed (connection/read error) for http://s3/a: Timeout",
    /the exporter must be able to reach the server/
  ],
  ["ABORTED", "RouterStream: aclose", /the exporter's log says why/],
  ["UNKNOWN", "Stream removed (Cancelling all calls)", /went away/]
]

describe("a text of a Python exporter", () => {
  it.each(table.map(([code, details, advice]) => ({ code, details, advice })))(
    "$details",
    ({ advice, code, details }) => {
      const failure = { address: "", driver: "adc", uuid: "", method: "read", kind: "call", code, details } as const
      assert.match(pythonTexts.advice(failure) ?? "", advice)
      assert.strictEqual(
        new DriverError.DriverError({ ...failure, origin: "driver" }).message,
        `call adc.read failed (${code}): ${details}; ${pythonTexts.advice(failure)}`
      )
      // The client's own texts get no advice.
      assert.strictEqual(
        new DriverError.DriverError({ ...failure, origin: "client" }).message,
        `call adc.read failed (${code}): ${details}`
      )
    }
  )

  it.each(
    [
      ["UNKNOWN", "the relay is stuck"],
      ["NOT_FOUND", "method set not found on driver"],
      ["INTERNAL", "[Errno 2] No such file or directory: '/dev/ttyUSB0'"],
      ["INTERNAL", "UUID('0f8fad5b-d9cb-469f-a165-70867728950e')"]
    ] as const
  )("needs no advice: %s %s", (code, details) => {
    assert.isUndefined(pythonTexts.advice({ kind: "call", method: "read", code, details }))
  })
})
