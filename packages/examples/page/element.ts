/** Finds an element of page.html. */
export const byId = <E extends HTMLElement>(id: string, kind: new() => E): E => {
  const found = document.getElementById(id)
  if (!(found instanceof kind)) throw new Error(`page.html has no ${kind.name} with the id ${id}`)
  return found
}

/** Makes an element with texts and elements in it. */
export const make = <K extends keyof HTMLElementTagNameMap>(
  name: K,
  properties: Partial<HTMLElementTagNameMap[K]> = {},
  ...children: ReadonlyArray<Node | string>
): HTMLElementTagNameMap[K] => {
  const element = Object.assign(document.createElement(name), properties)
  element.append(...children)
  return element
}

/** Shows control characters, and marks that reorder text, so that a text of the exporter cannot pretend to be another. */
export const visible = (text: string): string =>
  text.replaceAll(
    /[\p{Cc}\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff]/gu,
    (character) =>
      character === "\n" || character === "\t"
        ? character
        : `\\u${character.charCodeAt(0).toString(16).padStart(4, "0")}`
  )

export const clock = (time: number): string => new Date(time).toLocaleTimeString("en-GB")
