import { peers } from "../support/probeHost.ts"
import { behaviour } from "./behaviour.ts"

peers.filter(({ name }) => name === "memory" || name === "unix").forEach(behaviour)
