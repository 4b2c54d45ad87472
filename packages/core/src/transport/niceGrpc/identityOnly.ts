// Keeps grpc-js from offering to decompress messages. When a peer accepts the offer and the RPC fails, its last messages are lost:
// the failure overtakes them while grpc-js decompresses them. grpc-js has no option for this. It sets its offer on a copy of the
// metadata that an RPC starts with.
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

/** Makes the calls of a channel offer only identity, and returns the channel. */
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
