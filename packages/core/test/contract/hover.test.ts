// What an editor shows of a contract: the tests query TypeScript's language service for the text under the cursor.
import { assert, describe, it } from "@effect/vitest"
import { fileURLToPath } from "node:url"
import ts from "typescript"

const program = `
import * as Device from "../../src/client/Device.ts"
import * as DriverInterface from "../../src/contract/DriverInterface.ts"
import * as DriverMethod from "../../src/contract/DriverMethod.ts"
import * as Driver from "../../src/host/Driver.ts"
import * as Power from "../../src/drivers/Power.ts"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"

const Supply = DriverInterface.make("acme.client.SupplyClient", {
  /** Sets the output voltage. */
  setVoltage: DriverMethod.call({
    args: DriverMethod.named((volts = Schema.Number, ramp = DriverMethod.optional(Schema.Boolean, { fallback: false })) => [
      volts,
      ramp
    ]),
    documentation: "Not for hovers."
  }),
  /** Writes an image. */
  flash: DriverMethod.call({
    args: DriverMethod.named((image = DriverMethod.source, target = Schema.String) => [image, target]),
    rest: Schema.Int,
    optional: true
  })
})
class Board extends Device.Tag("acme/Board", Supply)<Board>() {}
declare const supply: DriverInterface.Client<typeof Supply>
declare const power: Power.Client
supply.setVoltage/*call*/(12)
supply.flash/*lent*/
power.on/*catalogue*/()
Effect.flatMap(Board, (board) => board.setVoltage/*device*/(12))
Driver.fromInterface(Supply, { setVoltage/*handler*/: (volts, ramp) => Effect.log(volts, ramp) })
`

const file = fileURLToPath(new URL("hoverProgram.ts", import.meta.url))
const config = fileURLToPath(new URL("../../tsconfig.test.json", import.meta.url))
const options =
  ts.parseJsonConfigFileContent(ts.readConfigFile(config, ts.sys.readFile).config, ts.sys, `${config}/..`).options

const service = ts.createLanguageService({
  getCompilationSettings: () => options,
  getScriptFileNames: () => [file],
  getScriptVersion: () => "1",
  getScriptSnapshot: (name) => {
    const text = name === file ? program : ts.sys.readFile(name)
    return text === undefined ? undefined : ts.ScriptSnapshot.fromString(text)
  },
  getCurrentDirectory: () => ts.sys.getCurrentDirectory(),
  getDefaultLibFileName: ts.getDefaultLibFilePath,
  fileExists: (name) => name === file || ts.sys.fileExists(name),
  readFile: ts.sys.readFile,
  directoryExists: ts.sys.directoryExists,
  getDirectories: ts.sys.getDirectories
})

const hover = (marker: string): { readonly type: string; readonly documentation: string } => {
  const info = service.getQuickInfoAtPosition(file, program.indexOf(`/*${marker}*/`) - 1)
  return {
    type: ts.displayPartsToString(info?.displayParts).replaceAll(/\s+/g, " "),
    documentation: ts.displayPartsToString(info?.documentation)
  }
}

// The first hover takes as long as checking the types of what the program imports.
describe("a hover", { timeout: 120_000 }, () => {
  it("of a client's method has the names of its arguments and the comment of its contract", () => {
    for (const marker of ["call", "device"]) {
      const { documentation, type } = hover(marker)
      assert.include(
        type,
        "setVoltage: (volts: number, ramp?: boolean | undefined) => Effect.Effect<void, DriverCallError"
      )
      assert.strictEqual(documentation, "Sets the output voltage.")
    }
    const lent = hover("lent")
    assert.match(lent.type, /flash: <E = never, R = never>\(image: .*, target: string, \.\.\.\w+: number\[\]\) => /)
    assert.strictEqual(lent.documentation, "Writes an image.")
  })

  it("of a handler has the names", () => {
    assert.include(hover("handler").type, "setVoltage: (volts: number, ramp: boolean) => ")
  })

  it("never shows text from a value, because no type can hold it", () => {
    for (const marker of ["call", "device", "handler"]) {
      assert.notInclude(`${hover(marker).type} ${hover(marker).documentation}`, "Not for hovers.")
    }
  })

  it("of the catalogue's methods has what their contracts document", () => {
    assert.strictEqual(hover("catalogue").documentation, "Switches the device on.")
    const catalogue = fileURLToPath(new URL("../../src/drivers", import.meta.url))
    let documented = 0
    for (const name of ts.sys.readDirectory(catalogue, [".ts"], undefined, ["*.ts", "family/*.ts"])) {
      const source = ts.sys.readFile(name) ?? ""
      const texts = (pattern: RegExp) => Array.from(source.matchAll(pattern), ([, text]) => text)
      const values = texts(/documentation:\s*"([^"]+)"/g)
      assert.deepStrictEqual(texts(/\n {2}\/\*\* (.*) \*\/\n {2}\w+: DriverMethod/g), values, name)
      documented += values.length
    }
    assert.isAbove(documented, 30)
  })
})
