import { describe } from "@effect/vitest"
import { board } from "../harness/board.ts"
import * as exporters from "../harness/exporters.ts"
import { lab } from "../harness/lab.ts"

describe("on a Python exporter", () => board(exporters.python))

describe("in memory and on a Python exporter at once", () => lab(exporters.memory, exporters.python))
