// In a file of its own to run beside the others.
import { peers } from "../support/probeHost.ts"
import { behaviour } from "./behaviour.ts"

peers.filter(({ name }) => name === "duplex").forEach(behaviour)
