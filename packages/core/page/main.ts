// The page of a record. Its data are the lines of the record, in the page itself.
import { details } from "./details.ts"
import { replace } from "./dom.ts"
import { header } from "./header.ts"
import { parse } from "./model.ts"
import { State } from "./state.ts"
import * as texts from "./texts.ts"
import { timeline } from "./timeline.ts"

const page = document.getElementById("page")
const data = document.getElementById("record")
if (page !== null && data !== null) {
  const state = new State(parse(data.textContent ?? ""))
  replace(page, header(state.model), details(state), timeline(state), texts.consoles(state), texts.log(state))
  // The charts are drawn with the colors of the scheme.
  matchMedia("(prefers-color-scheme: dark)").addEventListener(
    "change",
    () => state.choose(state.selected, state.moment)
  )
}
