// Our exporter, leased from a lab. In a file of its own to run beside the others.
import { registeredPeers } from "../support/probeHost.ts"
import { behaviour } from "./behaviour.ts"

registeredPeers.forEach(behaviour)
