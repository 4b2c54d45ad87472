// The behaviour suite: what this library promises of a connection, whatever exporter is at its other end. It is a
// function of the peer, so that the memory transport, sockets and the Python exporter are held to the same.
import { describe } from "@effect/vitest"
import { byteStreams } from "./byteStreams.ts"
import { calls } from "./calls.ts"
import { interruption } from "./interruption.ts"
import type * as peer from "./peer.ts"
import { resources } from "./resources.ts"
import { session } from "./session.ts"
import { streamingCalls } from "./streamingCalls.ts"

export const behaviour = (peer: peer.Peer): void => {
  describe(peer.name, () => {
    session(peer)
    calls(peer)
    streamingCalls(peer)
    byteStreams(peer)
    resources(peer)
    interruption(peer)
  })
}
