import { faults } from "../suite/faults/faults.ts"
import { pythonQuirks } from "../suite/peer.ts"
import * as python from "../support/python.ts"

faults({ name: "the Python exporter", command: python.exporter, quirks: pythonQuirks })
