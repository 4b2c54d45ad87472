import { behaviour } from "../suite/behaviour.ts"
import * as pythonPeers from "../support/pythonPeers.ts"

pythonPeers.make().forEach(behaviour)
