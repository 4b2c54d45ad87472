// In a file of its own to run beside the others, and as part of `npm run test:quick`.
import { peers } from "../support/probeHost.ts"
import { behaviour } from "./behaviour.ts"

peers.filter(({ name }) => name === "memory").forEach(behaviour)
