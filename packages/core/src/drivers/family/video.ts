// What sources of video have in common. The public contracts of the family spread these methods.
import * as Schema from "effect/Schema"
import * as DriverMethod from "../../contract/DriverMethod.ts"

export const watching = {
  /** Takes a picture: the bytes of a JPEG. */
  snapshot: DriverMethod.call({
    result: Schema.Uint8ArrayFromBase64,
    effect: "read",
    documentation: "Takes a picture: the bytes of a JPEG.",
    idempotent: true
  }),
  /** Opens a connection to the HTTP server of the source, which has a stream of JPEGs. */
  connect: DriverMethod.stream({
    documentation: "Opens a connection to the HTTP server of the source, which has a stream of JPEGs."
  }),
  /** The path of the stream on the HTTP server, such as /stream. */
  stream_path: DriverMethod.call({
    result: Schema.String,
    optional: true,
    effect: "read",
    documentation: "The path of the stream on the HTTP server, such as /stream.",
    idempotent: true
  })
}
