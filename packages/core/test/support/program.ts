// The path of a bundled program; see programs.ts.
import { inject } from "@effect/vitest"
import { join } from "node:path"
import type { Program } from "./programs.ts"

export const path = (name: Program): string => join(inject("programs"), `${name}.mjs`)
