// What drivers that open connections have in common. The public contracts of the family spread these methods.
import * as Schema from "effect/Schema"
import * as DriverMethod from "../../contract/DriverMethod.ts"

export const connecting = {
  /** Opens a connection. */
  connect: DriverMethod.stream({ documentation: "Opens a connection." })
}

export const addressed = {
  /** The peer of the connections, such as tcp://10.0.0.7:22 or the URL of a websocket. */
  address: DriverMethod.call({
    result: Schema.String,
    optional: true,
    effect: "read",
    documentation: "The peer of the connections, such as tcp://10.0.0.7:22 or the URL of a websocket.",
    idempotent: true
  })
}
