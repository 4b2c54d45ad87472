// The host among malicious peers on its own sockets.
import * as net from "node:net"
import { hostileToTls, nuisances, ruleBreakers } from "../suite/hostilePeers.ts"
import { hostility } from "../suite/hostility.ts"
import * as raw from "../support/rawGrpc.ts"
import * as victim from "../support/victim.ts"

hostility({
  title: "an exporter among hostile peers",
  victim: victim.listening,
  ways: {
    unix: ({ path }) => raw.connect("http://localhost", { createConnection: () => net.connect(path) }),
    tcp: ({ port }) => raw.connect(`http://127.0.0.1:${port}`),
    tls: ({ tlsPort }) => raw.connect(`https://127.0.0.1:${tlsPort}`, { rejectUnauthorized: false })
  },
  peers: [...nuisances, ...ruleBreakers, ...hostileToTls]
})
