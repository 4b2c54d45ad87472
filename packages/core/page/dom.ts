// Elements, and text that came from devices.

export type Child = Node | string | undefined | ReadonlyArray<Child>

type Attributes = Readonly<Record<string, string | number | boolean | undefined | ((event: Event) => void)>>

const append = (parent: Node, child: Child): void => {
  if (child === undefined) return
  if (typeof child === "string") parent.appendChild(document.createTextNode(child))
  else if (child instanceof Node) parent.appendChild(child)
  else for (const inner of child) append(parent, inner)
}

const set = (element: Element, attributes: Attributes): void => {
  for (const [name, value] of Object.entries(attributes)) {
    if (value === undefined || value === false) continue
    if (typeof value === "function") element.addEventListener(name, value)
    else element.setAttribute(name, value === true ? "" : String(value))
  }
}

export const h = <Tag extends keyof HTMLElementTagNameMap>(
  tag: Tag,
  attributes: Attributes = {},
  ...children: ReadonlyArray<Child>
): HTMLElementTagNameMap[Tag] => {
  const element = document.createElement(tag)
  set(element, attributes)
  append(element, children)
  return element
}

export const svg = (tag: string, attributes: Attributes = {}, ...children: ReadonlyArray<Child>): SVGElement => {
  const element = document.createElementNS("http://www.w3.org/2000/svg", tag) as SVGElement
  set(element, attributes)
  append(element, children)
  return element
}

export const replace = (element: Element, ...children: ReadonlyArray<Child>): void => {
  element.replaceChildren()
  append(element, children)
}

// Escape sequences of terminals, other control characters, and characters that change how the text around them is shown.
const controls =
  // eslint-disable-next-line no-control-regex
  /\x1b\[[0-?]*[ -/]*[@-~]|[\0-\x08\x0b-\x1f\x7f-\x9f\u061c\u200b-\u200f\u2028-\u202e\u2066-\u2069\ufeff\ufff9-\ufffb]/g

const symbol = (character: string): string => {
  const code = character.codePointAt(0) ?? 0
  return code < 0x20
    ? `^${String.fromCodePoint(0x40 + code)}`
    : code === 0x7f
    ? "^?"
    : code >= 0x80
    ? `\\u${code.toString(16).padStart(4, "0")}`
    : character
}

// Text in which nothing is hidden and nothing acts.
export const visible = (text: string): ReadonlyArray<Child> => {
  const parts: Array<Child> = []
  let from = 0
  for (const match of text.matchAll(controls)) {
    parts.push(text.slice(from, match.index))
    const shown = Array.from(match[0], symbol).join("")
    parts.push(h("span", { class: "control" }, shown))
    from = match.index + match[0].length
  }
  parts.push(text.slice(from))
  return parts
}
