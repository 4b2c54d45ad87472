// The behaviour suite: the promises of a connection, to any exporter. It is a function of the peer, so that the memory
// transport, sockets and the Python exporter pass the same tests. The tests about drivers call methods by name, and once
// for every exporter also through typed clients.
import { describe } from "@effect/vitest"
import * as Layer from "effect/Layer"
import { byteStreams } from "./byteStreams.ts"
import { calls } from "./calls.ts"
import { contracts } from "./contracts.ts"
import { interruption } from "./interruption.ts"
import type * as peer from "./peer.ts"
import { resources } from "./resources.ts"
import { session } from "./session.ts"
import { streamingCalls } from "./streamingCalls.ts"
import * as style from "./style.ts"

const drivers = (peer: peer.Peer): void => {
  calls(peer)
  streamingCalls(peer)
  byteStreams(peer)
  resources(peer)
  interruption(peer)
}

export const behaviour = (peer: peer.Peer): void => {
  describe(peer.name, () => {
    session(peer)
    if (peer.extent === "shapes") {
      describe("by name", () => {
        streamingCalls(peer)
        byteStreams(peer)
      })
      return
    }
    describe("by name", () => drivers(peer))
    if (peer.extent === "transport") return
    describe("typed", () => {
      // Both styles use the same transfers below, so full sizes need not run again.
      const typed = { ...peer, session: Layer.merge(peer.session, style.typed), thorough: false }
      drivers(typed)
      contracts(typed)
    })
  })
}
