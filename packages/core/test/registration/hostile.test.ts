// A leased exporter among malicious peers that come through the router.
import { hostileToTunnels, nuisances } from "../suite/hostilePeers.ts"
import { hostility } from "../suite/hostility.ts"
import * as raw from "../support/rawGrpc.ts"
import * as victim from "../support/victim.ts"

hostility({
  title: "a leased exporter among hostile peers",
  victim: victim.leased,
  ways: { "a tunnel": ({ dial }) => raw.over(dial) },
  // Those that break a rule of HTTP/2 have come before, one by one. The first ones leave without a word, which a tunnel notices after 10 seconds.
  peers: [...hostileToTunnels, ...nuisances],
  // A client that leaves before the router has joined both ends leaves the exporter's end alone with the router until the lease is over
  // (protocol.md 12.5).
  stays: { connections: 2, fibers: 4, timers: 2 }
})
