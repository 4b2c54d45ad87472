// Removes the sequences that control a terminal from a device's bytes (ECMA-48, and the extensions of xterm, screen and
// the Linux console): colors, cursor moves, modes, character sets, titles. Pieces may end anywhere. The filter works on
// bytes, because a control sequence that begins with the single byte 0x9B is not valid UTF-8.

const bel = 0x07
const cancel = 0x18
const substitute = 0x1a
const escape = 0x1b
const csi8 = 0x9b
const st8 = 0x9c
// The first UTF-8 byte of U+0080 to U+00BF: the C1 controls and some text.
const c1Lead = 0xc2

const code = (character: string): number => character.charCodeAt(0)

// Starts of strings that end with ST: DCS, OSC, SOS, PM and APC, and the window title of screen.
const stringStarts = new Set(Array.from("P]X^_k", code))

// A palette color of the Linux console has a fixed length instead of an end.
const paletteLength = 7

type State = "text" | "escape" | "intermediate" | "control" | "string" | "palette"

// The number of bytes that follow the first byte of a character.
const following = (byte: number): number => byte >= 0xf0 ? 3 : byte >= 0xe0 ? 2 : byte >= 0xc2 ? 1 : 0

const isPlain = (bytes: Uint8Array): boolean => {
  for (const byte of bytes) if (byte >= 0x80 || byte === escape) return false
  return true
}

export class EscapeFilter {
  private state: State = "text"
  // The number of missing bytes of the current character or palette color.
  private rest = 0
  // Whether the first byte of a possible 8-bit control is held back.
  private isHeld = false
  // Whether a string has just begun.
  private isNew = false

  // The bytes that are text.
  push(bytes: Uint8Array): Uint8Array {
    if (this.state === "text" && this.rest === 0 && !this.isHeld && isPlain(bytes)) return bytes
    const text = new Uint8Array(bytes.length + 1)
    let length = 0
    for (const byte of bytes) {
      if (this.isHeld) {
        this.isHeld = false
        if (this.takeHeld(byte)) continue
        if (this.state === "text") text[length++] = c1Lead
      }
      if (byte === c1Lead && this.rest === 0 && (this.state === "text" || this.state === "string")) this.isHeld = true
      else if (this.isText(byte)) text[length++] = byte
    }
    return text.subarray(0, length)
  }

  // Returns the byte that was held back when the device's stream ended.
  end(): Uint8Array {
    const text = this.isHeld && this.state === "text" ? [c1Lead] : []
    this.isHeld = false
    return Uint8Array.from(text)
  }

  // Whether this byte completes an 8-bit control with the byte that was held back.
  private takeHeld(byte: number): boolean {
    if (this.state === "text" && byte === csi8) this.state = "control"
    else if (this.state === "string" && byte === st8) this.state = "text"
    else {
      this.rest = 1
      return false
    }
    return true
  }

  private isText(byte: number): boolean {
    // These bytes end any sequence in progress, as on a terminal.
    if (byte === escape) return this.become("escape")
    if (byte === cancel || byte === substitute) return this.state === "text" || this.become("text")
    switch (this.state) {
      case "text":
        if (this.isPartOfCharacter(byte)) return true
        return byte !== csi8 || this.become("control")
      case "escape":
        return this.isTextAfterEscape(byte)
      case "intermediate":
        return byte >= 0x20 && byte <= 0x2f ? false : this.isTextAtEnd(byte, 0x30)
      case "control":
        return byte >= 0x20 && byte <= 0x3f ? false : this.isTextAtEnd(byte, 0x40)
      case "palette":
        return --this.rest === 0 ? this.become("text") : false
      case "string":
        return this.isTextAfterString(byte)
    }
  }

  private become(state: State): false {
    this.state = state
    this.rest = 0
    return false
  }

  private isPartOfCharacter(byte: number): boolean {
    const isPart = this.rest > 0 && byte >= 0x80 && byte <= 0xbf
    this.rest = isPart ? this.rest - 1 : following(byte)
    return isPart
  }

  // A byte of at least `final` ends a sequence; a byte that cannot be part of the sequence is text.
  private isTextAtEnd(byte: number, final: number): boolean {
    this.become("text")
    return byte >= final && byte <= 0x7e ? false : this.isText(byte)
  }

  private isTextAfterEscape(byte: number): boolean {
    if (stringStarts.has(byte)) {
      this.isNew = byte === code("]")
      return this.become("string")
    }
    if (byte === code("[")) return this.become("control")
    if (byte >= 0x20 && byte <= 0x2f) return this.become("intermediate")
    return this.isTextAtEnd(byte, 0x30)
  }

  private isTextAfterString(byte: number): boolean {
    const isNew = this.isNew
    this.isNew = false
    // The two sequences of the Linux console that do not end with ST.
    if (isNew && byte === code("R")) return this.become("text")
    if (isNew && byte === code("P")) {
      this.become("palette")
      this.rest = paletteLength
      return false
    }
    if (byte === bel) return this.become("text")
    // A line end ends a string, so that a string without an end does not hide the rest of the output.
    if (byte === code("\n") || byte === code("\r")) return this.isTextAtEnd(byte, 0x30)
    return !this.isPartOfCharacter(byte) && byte === st8 && this.become("text")
  }
}
