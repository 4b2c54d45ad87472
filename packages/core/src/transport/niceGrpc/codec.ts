// What the nice-grpc client and server share: methods over encoded messages, and metadata.
import type { Metadata as NiceMetadata } from "nice-grpc"
import * as Metadata from "../../grpc/Metadata.ts"

const bytes = {
  encode: (message: Uint8Array) => ({ finish: () => message }),
  decode: (message: Uint8Array) => message
}

// A service with one method, `call`. nice-grpc copies incoming messages of definitions in its own format, but not of
// definitions in ts-proto's, so this takes the latter's shape.
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

// Binary metadata, which nothing in the protocol uses, is left out.
export const fromMetadata = (metadata: NiceMetadata): Metadata.Metadata =>
  Metadata.make(
    Array.from(metadata).flatMap(([key, values]) => {
      const last = values[values.length - 1]
      return typeof last === "string" ? [[key, last] as const] : []
    })
  )
