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
  peers: [...hostileToTunnels, ...nuisances]
})
