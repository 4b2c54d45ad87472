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

/** Control characters as pictures, so that a text of the exporter cannot do anything. */
export const visible = (text: string): string =>
  // eslint-disable-next-line no-control-regex
  text.replaceAll(/[\u0000-\u001f\u007f]/g, (character) =>
    character === "\n" ? "\n" : String.fromCharCode(character === "\u007f" ? 0x2421 : 0x2400 + character.charCodeAt(0)))

export const clock = (time: number): string => new Date(time).toLocaleTimeString("en-GB")
