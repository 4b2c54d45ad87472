import * as process from "../support/process.ts"
import { loss } from "./loss.ts"
import { noQuirks } from "./peer.ts"

loss("our host", () => process.typescript, noQuirks)
