// Keeps grpc-js from offering to decompress. A peer that takes the offer has the last of its messages dropped when the RPC
// fails: grpc-js decompresses them while the failure passes. It has no option for this, and sets what it offers on a copy of
// the metadata that an RPC starts with.
import type { Channel } from "nice-grpc"

const offer = "grpc-accept-encoding"

type Metadata = Parameters<ReturnType<Channel["createCall"]>["start"]>[0]

const guarded = (metadata: Metadata): Metadata => {
  const set = metadata.set.bind(metadata)
  const clone = metadata.clone.bind(metadata)
  metadata.set = (key, value) => set(key, key === offer ? "identity" : value)
  metadata.clone = () => guarded(clone())
  return metadata
}

/** The channel itself, whose calls offer nothing but identity. */
export const of = (channel: Channel): Channel => {
  const createCall = channel.createCall.bind(channel)
  channel.createCall = (...args) => {
    const call = createCall(...args)
    const start = call.start.bind(call)
    call.start = (metadata, listener) => start(guarded(metadata), listener)
    return call
  }
  return channel
}
