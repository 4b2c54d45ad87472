// The skeleton of a driver's contract, from what the exporter reports of the driver.
import * as Option from "effect/Option"
import { clientOf } from "../protocol/clientOf.ts"
import * as DriverTree from "../protocol/DriverTree.ts"

// A text as a comment, which it must not end.
const comment = (text: string, indent = ""): string =>
  `${indent}/** ${text.replaceAll(/\s+/g, " ").replaceAll("*/", "* /").trim()} */\n`

// A name as a property of an object, and as a variable.
const property = (name: string): string => /^[A-Za-z_$][\w$]*$/.test(name) ? name : JSON.stringify(name)

const variable = (name: string): string => {
  const words = name.split(/[^A-Za-z0-9]+/).filter((word) => word !== "")
  const joined = words.map((word) => word.charAt(0).toUpperCase() + word.slice(1)).join("")
  return /^[A-Z]/.test(joined) ? joined : `Driver${joined}`
}

export const of = (
  driver: Pick<DriverTree.DriverNode, "description" | "labels" | "methodsDescription" | "name" | "path"> & {
    readonly children: ReadonlyMap<string, { readonly labels: Readonly<Record<string, string>> }>
  }
): string => {
  const label = clientOf(driver)
  const methods = Object.entries(driver.methodsDescription)
  const children = Array.from(driver.children, ([name, child]) => `${name} (${clientOf(child) || "without a label"})`)
  const name = variable(label.split(".").at(-1)?.replace(/Client$/, "") || driver.name || "driver")
  const lines = methods.map(([method, text]) =>
    `${comment(text, "  ")}  ${property(method)}: DriverMethod.call({ documentation: ${JSON.stringify(text)} })`
  )
  const description = [
    "import { DriverInterface, DriverMethod } from \"@effect-jumpstarter/core\"\n\n",
    `// The driver ${DriverTree.formatPath(driver.path) || "at the root"}, as its exporter reports it.\n`,
    "// A report has only the methods that are described, and neither their arguments nor their results: complete them with the\n",
    "// driver's source. See \"Writing a contract\" in docs/drivers.md.\n",
    children.length === 0 ? "" : `// Its children have contracts of their own: ${children.join(", ")}.\n`,
    "\n",
    Option.match(driver.description, { onNone: () => "", onSome: (text) => comment(text) }),
    `export const ${name} = DriverInterface.make(${JSON.stringify(label)}, {`,
    lines.length === 0 ? "" : `\n${lines.join(",\n")}\n`,
    "})\n\n",
    `export interface ${name} extends DriverInterface.Client<typeof ${name}> {}\n`
  ].join("")
  return description
}
