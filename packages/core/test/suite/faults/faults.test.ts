import * as process from "../../support/process.ts"
import { noQuirks } from "../peer.ts"
import { faults } from "./faults.ts"

faults({ name: "our host", command: process.typescript, quirks: noQuirks })
