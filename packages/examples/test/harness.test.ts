import { describe } from "@effect/vitest"
import { board } from "./harness/board.ts"
import * as exporters from "./harness/exporters.ts"
import { lab } from "./harness/lab.ts"

describe("in memory", () => board(exporters.memory))

describe("on a socket", () => board(exporters.socket))

describe("in memory and on a socket at once", () => lab(exporters.memory, exporters.socket))
