// The errors that the controller and the router refuse requests with.
import * as Bytes from "../../grpc/Bytes.ts"
import * as GrpcStatus from "../../grpc/GrpcStatus.ts"
import { maxMessageBytes } from "../../grpc/messageLimit.ts"

export type Refused = GrpcStatus.GrpcStatusError

/** An error that the controller passes on unchanged. */
export const plain = (text: string): Refused => GrpcStatus.make("UNKNOWN", text)

export const invalid = (text: string): Refused => GrpcStatus.make("INVALID_ARGUMENT", text)

export const leaseNotFound = (name: string): string => `leases.jumpstarter.dev ${JSON.stringify(name)} not found`

export const exporterNotFound = (name: string): string => `exporters.jumpstarter.dev ${JSON.stringify(name)} not found`

/** Returns the error of a gRPC server in Go for a message above its limit, and nothing for a smaller one. */
export const tooLarge = (message: Bytes.Bytes): Refused | undefined => {
  const size = Bytes.size(message)
  return size <= maxMessageBytes
    ? undefined
    : GrpcStatus.make("RESOURCE_EXHAUSTED", `grpc: received message larger than max (${size} vs. ${maxMessageBytes})`)
}
