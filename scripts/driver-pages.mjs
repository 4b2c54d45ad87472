// Writes docs/drivers: a page for each contract of the catalogue, and the table of all. What a page says comes from the contract, its
// types, its comments, the fakes and the tests, so no page can drift. Also writes the catalogue of the command line, which lists methods
// without loading a contract, and names arguments. With --check it writes nothing and fails when a file is out of date. Runs with
// `node --import tsx`, because it loads the contracts.
import * as Schema from "effect/Schema"
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { basename, dirname, join } from "node:path"
import { fileURLToPath } from "node:url"
import ts from "typescript"
import * as drivers from "../packages/core/src/drivers/index.ts"
import { cell, exportsOf, programOf, sentence } from "./core-types.mjs"

const root = join(dirname(fileURLToPath(import.meta.url)), "..")
const check = process.argv.includes("--check")
const source = join(root, "packages/core/src/drivers")
const target = join(root, "docs/drivers")
const catalogueFile = "packages/cli/src/catalogue.ts"

// Why the drivers of a contract are not driven in CI.
const outside = {
  Ble: "it needs a Bluetooth adapter",
  BtPeer: "it needs a Bluetooth adapter; not published yet",
  Cuttlefish: "it needs KVM; not published yet",
  CvdFlasher: "it needs KVM; not published yet",
  CvdPower: "it needs KVM; not published yet",
  Video: "not published yet; `UStreamer` has the same stream"
}

// Drivers with the label of a contract that the tests drive with other drivers of that label, and why these are not driven.
const others = {
  BaseFlasher: "`TIJ784S4Flasher` and `RCarS4Flasher` only have another configuration",
  Composite: "`Dutlink` is USB hardware",
  IsoTp: "`IsoTpSocket` needs a CAN interface of the kernel",
  Network: "`VsockNetwork` needs a virtual machine with vsock",
  NoyitoPower: "`NoyitoPowerHID` is USB hardware",
  Power: "`DutlinkPower`, `EnerGenie` and `Ykush` are hardware",
  Serial: "`DutlinkSerial` is USB hardware",
  StorageMuxFlasher: "`DutlinkStorageMux` and `SDWire` are USB hardware"
}

// What a machine needs besides Python, where the tests of a contract do not run on every machine.
const needs = {
  Adb: "adb for a real server",
  DbusNetwork: "a D-Bus daemon",
  Qemu: "QEMU for the boot"
}

// What stands in for the hardware, the program or the kernel behind a driver.
const standIns = {
  AndroidEmulator: "an emulator of the test",
  Corellium: "a cloud of the test",
  BaseFlasher: "a scripted board",
  DigitalInput: "pins of the test",
  DigitalOutput: "pins of the test",
  DutNetwork: "tools of the test",
  Esp32Flasher: "a chip of the test",
  Iscsi: "a kernel of the test",
  PiPico: "a directory as the drive",
  ProbeRs: "a program of the test",
  Renode: "a program of the test",
  RideSx: "a program of the test",
  RideSxPower: "a terminal of the test",
  SnmpPower: "an agent of the test",
  Stlink: "a directory as the drive",
  Uboot: "a scripted board",
  UStreamer: "a program of the test",
  VirtualPower: "a cloud of the test"
}

// --------------------------------------------------------------------------------------------------------------------- the sources

const modules = readdirSync(source).filter((file) => /^[A-Z]\w*\.ts$/.test(file)).map((file) =>
  file.replace(/\.ts$/, "")
)
const program = programOf([join(source, "index.ts")])
const checker = program.getTypeChecker()

const exportedBy = (name) =>
  new Map(exportsOf(program, join(source, `${name}.ts`)).map(({ name, symbol }) => [name, symbol]))

const textOf = (symbol) => ts.displayPartsToString(symbol.getDocumentationComment(checker))

const exampleOf = (symbol) => {
  const tag = symbol.getJsDocTags(checker).find(({ name }) => name === "example")
  return ts.displayPartsToString(tag?.text).trim()
}

/** The names of the arguments of a client's method. */
const namesOf = (client, method) => {
  const property = checker.getPropertyOfType(checker.getDeclaredTypeOfSymbol(client), method)
  const [signature] = checker.getSignaturesOfType(checker.getTypeOfSymbol(property), ts.SignatureKind.Call)
  return signature.getParameters().flatMap((parameter) => {
    const type = checker.getTypeOfSymbol(parameter)
    if (!checker.isTupleType(type)) return [parameter.name]
    return (type.target.labeledElementDeclarations ?? []).map((label) => label?.name?.getText() ?? parameter.name)
  })
}

/** The comment at the start of a module. */
const aboutOf = (name) => {
  const comment = /^\/\*\*\n((?: \*.*\n)+?) \*\//.exec(readFileSync(join(source, `${name}.ts`), "utf8"))?.[1] ?? ""
  return comment.replaceAll(/^ \* ?/gm, "").split(/\n\n|^@/m)[0].replaceAll(/\s+/g, " ").replace(
    / \(`protocol\.md` [\d. and]+\)/,
    ""
  )
    .trim()
}

/** The files of a folder that make a driver of a contract, or connect to one, by the name of the contract's module. */
const users = (folder, pattern, isRelevant) => {
  const found = new Map()
  for (const file of readdirSync(folder).filter(isRelevant)) {
    for (const [, module] of readFileSync(join(folder, file), "utf8").matchAll(pattern)) {
      found.set(module, [...new Set([...found.get(module) ?? [], file])])
    }
  }
  return found
}
const fakes = users(
  join(root, "packages/core/src/testing"),
  /fromInterface\(\s*(\w+)\.contract/g,
  (file) => /^[A-Z]\w*Test\.ts$/.test(file)
)
const tests = users(
  join(root, "packages/core/test/interop"),
  /\b([A-Z]\w+)\.contract\b/g,
  (file) => file.endsWith(".test.ts") && !/census|pythonClient|skeleton/.test(file)
)

// ------------------------------------------------------------------------------------------------------------------- the contracts

const code = (text) => {
  const fence = text.includes("`") ? "``" : "`"
  return `${fence}${cell(text)}${fence}`
}

/** A schema as its type, on the side of the program. */
const typeOf = (schema) => {
  const type = String(Schema.typeSchema(schema).ast).replaceAll("readonly ", "")
  return type.length <= 120 ? type : `${type.slice(0, type.lastIndexOf(" ", 120))} …`
}

const argumentsOf = ({ args = [], rest }, names) => {
  const described = args.map((argument, index) => {
    const name = names[index] ?? `argument${index + 1}`
    if (!("_tag" in argument)) return `${name}: ${typeOf(argument)}`
    if (argument._tag === "SourceArgument") return `${name}: a source`
    if (argument._tag === "SinkArgument") return `${name}: a sink`
    const fallback = argument.fallback === undefined ? "" : ` = ${JSON.stringify(argument.fallback)}`
    return `${name}?: ${typeOf(argument.schema)}${fallback}`
  })
  return [...described, ...rest === undefined ? [] : [`...: ${typeOf(rest)}[]`]]
}

const kinds = { Call: "call", StreamingCall: "streaming call", Stream: "byte stream" }

const methodRow = (name, method, client) => {
  const { options } = method
  const args = method._tag === "Stream" ? [] : argumentsOf(options, namesOf(client, name))
  const answer = method._tag === "Stream" ? "bytes both ways" : options.item ?? options.result
  const result = typeof answer === "string" ? answer : answer === undefined ? "nothing" : code(typeOf(answer))
  const effect = method._tag === "Stream" ? "write" : options.effect ?? "write"
  const notes = [
    ...options.idempotent === true ? ["may be repeated"] : [],
    ...options.optional === true ? ["not every driver has it"] : []
  ]
  return `| ${code(name)} | ${kinds[method._tag]} | ${args.map(code).join(", ") || "none"} | ${result} | ${
    [effect, ...notes].join("; ")
  } | ${cell(options.documentation ?? "")} |`
}

const packageOf = (label) => label.split(".")[0].replaceAll("_", "-")

const inCi = (name) => {
  const files = tests.get(name)
  if ((files === undefined) !== (name in outside)) {
    const mistake = files === undefined ? "no interop test has it, and there is no reason" : "an interop test has it"
    throw new Error(`${name}: ${mistake}. The reasons are in the list \`outside\` of scripts/driver-pages.mjs.`)
  }
  if (files === undefined) return `no: ${outside[name]}`
  const machine = needs[name] === undefined ? "" : `, where there is ${needs[name]}`
  const standIn = standIns[name] === undefined ? "" : `, with ${standIns[name]}`
  const rest = others[name] === undefined ? "" : `; ${others[name]}`
  return `yes${machine}${standIn}: ${files.map((file) => `\`${basename(file)}\``).join(", ")}${rest}`
}

const pages = []
for (const name of modules) {
  const { contract } = drivers[name]
  if (contract === undefined) continue
  const exported = exportedBy(name)
  const symbol = exported.get("contract")
  const client = exported.get("Client")
  const conveniences = [...exported].filter(([, symbol]) => {
    const declaration = symbol.valueDeclaration
    return declaration !== undefined && ts.isVariableDeclaration(declaration)
      && checker.getSignaturesOfType(checker.getTypeOfSymbol(symbol), ts.SignatureKind.Call).length > 0
      && !(ts.isCallExpression(declaration.initializer ?? declaration))
  })
  const comment = textOf(symbol).replace(
    /^The contract(, which has|: | )?/,
    (_, word) => word === ", which has" ? "It has" : ""
  )
    .replace(/^\. /, "").trim()
  const methods = Object.entries(contract.methods)
  const facts = [
    ["Label", code(contract.client)],
    ["Package", code(packageOf(contract.client))],
    ["Module", code(`@effect-jumpstarter/core/drivers/${name}`)],
    ...contract.alsoSpokenBy.length === 0 ? [] : [["Also for", contract.alsoSpokenBy.map(code).join(", ")]],
    ["Fake", (fakes.get(name) ?? []).map((file) => code(file.replace(/\.ts$/, ""))).join(", ") || "none of its own"],
    ["Driven in CI", inCi(name)]
  ]
  const text = [
    `# ${name}`,
    "",
    "<!-- Generated by scripts/driver-pages.mjs from packages/core/src/drivers. Do not edit. -->",
    "",
    aboutOf(name),
    ...comment === "" ? [] : ["", comment[0].toUpperCase() + comment.slice(1)],
    "",
    "| | |",
    "| --- | --- |",
    ...facts.map(([what, fact]) => `| ${what} | ${fact} |`),
    "",
    "## Methods",
    "",
    ...methods.length === 0 ? ["None."] : [
      "| Method | Kind | Arguments | Answers | What it does to the world | |",
      "| --- | --- | --- | --- | --- | --- |",
      ...methods.map(([method, described]) => methodRow(method, described, client))
    ],
    ...conveniences.length === 0 ? [] : [
      "",
      "## Conveniences",
      "",
      "| Function | |",
      "| --- | --- |",
      ...conveniences.map(([convenience, symbol]) =>
        `| ${code(`${name}.${convenience}`)} | ${cell(sentence(textOf(symbol)))} |`
      )
    ],
    "",
    "## Example",
    "",
    exampleOf(symbol),
    ""
  ].join("\n")
  pages.push({ name, file: `${name}.md`, text, contract, client, fakes: fakes.get(name) ?? [] })
}

const table = [
  "# The catalogue of drivers",
  "",
  "<!-- Generated by scripts/driver-pages.mjs from packages/core/src/drivers. Do not edit. -->",
  "",
  "Every label of the driver packages that Jumpstarter publishes has a contract, in a module of its own. "
  + "[drivers.md](../drivers.md) says how to use them, and how to write one.",
  "",
  "A driver is driven in CI when the tests run the published Python driver and talk to it through its contract. Where other drivers have the same label, the table names those that are not driven.",
  "",
  "| Contract | Label of the driver | Methods | Fake | Driven in CI |",
  "| --- | --- | --- | --- | --- |",
  ...pages.map(({ contract, fakes, file, name }) =>
    `| [${name}](${file}) | ${code(contract.client)} | ${Object.keys(contract.methods).length} | ${
      fakes.map((fake) => code(fake.replace(/\.ts$/, ""))).join(", ")
    } | ${inCi(name)} |`
  ),
  ""
].join("\n")

// ----------------------------------------------------------------------------------------------------------------- the command line

const quoted = (name) => JSON.stringify(name)

const property = (name) => /^[A-Za-z_$][\w$]*$/.test(name) ? name : quoted(name)

const describedMethod = ([name, method], client) => {
  const names = method._tag === "Stream" ? [] : namesOf(client, name)
  const effect = method._tag === "Stream" ? "write" : method.options.effect ?? "write"
  const described = `{ kind: ${quoted(method._tag)}, effect: ${quoted(effect)}, arguments: `
  const line = `      ${property(name)}: ${described}[${names.map(quoted).join(", ")}] }`
  return line.length <= 118 ? line : [
    `      ${property(name)}: {`,
    `        kind: ${quoted(method._tag)},`,
    `        effect: ${quoted(effect)},`,
    "        arguments: [",
    names.map((name) => `          ${quoted(name)}`).join(",\n"),
    "        ]",
    "      }"
  ].join("\n")
}

const catalogue = [
  "// Generated by scripts/driver-pages.mjs from packages/core/src/drivers. Do not edit.",
  "import type * as DriverInterface from \"@effect-jumpstarter/core/DriverInterface\"",
  "import type * as DriverMethod from \"@effect-jumpstarter/core/DriverMethod\"",
  "",
  "/** What is known of a method before its contract is loaded. */",
  "export interface Method {",
  "  readonly kind: DriverMethod.Any[\"_tag\"]",
  "  readonly effect: DriverMethod.MethodEffect",
  "  /** The names of the arguments, of which a contract has only the order. */",
  "  readonly arguments: ReadonlyArray<string>",
  "}",
  "",
  "export interface Entry {",
  "  readonly name: string",
  "  readonly load: () => Promise<DriverInterface.Any>",
  "  readonly methods: Readonly<Record<string, Method>>",
  "}",
  "",
  "/** The contracts by the labels of their drivers. */",
  "export const catalogue: Readonly<Record<string, Entry>> = {",
  pages.map(({ client, contract, name }) => {
    const methods = Object.entries(contract.methods)
    return [
      `  ${quoted(contract.client)}: {`,
      `    name: ${quoted(name)},`,
      `    load: () => import("@effect-jumpstarter/core/drivers/${name}").then(({ contract }) => contract),`,
      methods.length === 0 ? "    methods: {}" : [
        "    methods: {",
        methods.map((method) => describedMethod(method, client)).join(",\n"),
        "    }"
      ].join("\n"),
      "  }"
    ].join("\n")
  }).join(",\n"),
  "}",
  ""
].join("\n")

// ------------------------------------------------------------------------------------------------------------------------ the files

const files = new Map([["README.md", table], ...pages.map(({ file, text }) => [file, text])])
const present = existsSync(target) ? readdirSync(target) : []
const stale = [
  ...[...files].filter(([file, text]) => !present.includes(file) || readFileSync(join(target, file), "utf8") !== text)
    .map(([file]) => file),
  ...present.filter((file) => !files.has(file))
]
const isCatalogueStale = !existsSync(join(root, catalogueFile))
  || readFileSync(join(root, catalogueFile), "utf8") !== catalogue
if (check && (stale.length > 0 || isCatalogueStale)) {
  const outdated = [...stale.map((file) => `docs/drivers/${file}`), ...isCatalogueStale ? [catalogueFile] : []]
  console.error(`Out of date (${outdated.join(", ")}): run \`npm run driver-pages\`.`)
  process.exit(1)
}
if (!check) {
  rmSync(target, { recursive: true, force: true })
  mkdirSync(target, { recursive: true })
  for (const [file, text] of files) writeFileSync(join(target, file), text)
  if (isCatalogueStale) writeFileSync(join(root, catalogueFile), catalogue)
  console.log(`Wrote ${files.size} pages of docs/drivers, ${stale.length} of them changed.`)
}
