// In a file of its own to run beside the others.
import { tunnelPeers } from "../support/probeHost.ts"
import { behaviour } from "./behaviour.ts"

tunnelPeers.forEach(behaviour)
