// In a file of its own to run beside the others.
import { niceGrpcPeers } from "../support/probeHost.ts"
import { behaviour } from "./behaviour.ts"

niceGrpcPeers.forEach(behaviour)
