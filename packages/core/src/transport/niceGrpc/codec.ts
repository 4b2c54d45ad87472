// Methods over encoded messages, and metadata, in the forms that nice-grpc takes.
import type { Metadata as NiceMetadata } from "nice-grpc"
import * as Metadata from "../../grpc/Metadata.ts"

const bytes = {
  encode: (message: Uint8Array) => ({ finish: () => message }),
  decode: (message: Uint8Array) => message
}

// A service with one method, `call`. The definition has ts-proto's format, because nice-grpc copies incoming messages for definitions
// in its own format.
export const rawMethod = <Requests extends boolean, Responses extends boolean>(
  rpc: string,
  requestStream: Requests,
  responseStream: Responses
) => {
  const [, service = "", method = ""] = rpc.split("/")
  return {
    name: service,
    fullName: service,
    methods: {
      call: { name: method, requestType: bytes, requestStream, responseType: bytes, responseStream, options: {} }
    }
  } as const
}

// Converts metadata. Binary entries are left out, because nothing in the protocol uses them.
export const fromMetadata = (metadata: NiceMetadata): Metadata.Metadata =>
  Metadata.make(
    Array.from(metadata).flatMap(([key, values]) => {
      const last = values[values.length - 1]
      return typeof last === "string" ? [[key, last] as const] : []
    })
  )
