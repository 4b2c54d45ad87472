// Takes the sequences out of a device's bytes with which it steers a terminal (ECMA-48, and what xterm, screen and the
// Linux console add to it): colours, cursor moves, modes, character sets, titles. Pieces may end anywhere. It works on
// bytes, because a control sequence that begins with the single byte 0x9B is no text in UTF-8.

const bel = 0x07
const cancel = 0x18
const substitute = 0x1a
const escape = 0x1b
const csi8 = 0x9b
const st8 = 0x9c
// The first byte of U+0080 to U+00BF in UTF-8: the C1 controls, and some text.
const c1Lead = 0xc2

const code = (character: string): number => character.charCodeAt(0)

// Strings that end with ST: DCS, OSC, SOS, PM and APC, and the title of a window of screen.
const stringStarts = new Set(Array.from("P]X^_k", code))

// Palette colours of the Linux console, which have a length instead of an end.
const paletteLength = 7

type State = "text" | "escape" | "intermediate" | "control" | "string" | "palette"

// How many bytes of a character follow its first one.
const following = (byte: number): number => byte >= 0xf0 ? 3 : byte >= 0xe0 ? 2 : byte >= 0xc2 ? 1 : 0

const isPlain = (bytes: Uint8Array): boolean => {
  for (const byte of bytes) if (byte >= 0x80 || byte === escape) return false
  return true
}

export class EscapeFilter {
  private state: State = "text"
  // Bytes that are still to come, of the character that has begun or of a palette colour.
  private rest = 0
  // The first byte of what may become an 8-bit control is held back.
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

  // What was held back when the device has ended.
  end(): Uint8Array {
    const text = this.isHeld && this.state === "text" ? [c1Lead] : []
    this.isHeld = false
    return Uint8Array.from(text)
  }

  // Whether a control was taken in whose first byte has been held back.
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
    // These end whatever has begun, as on a terminal.
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

  // A sequence ends with a byte from `final` on; what cannot be a part of it is text again.
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
    // The two of the Linux console that no ST ends.
    if (isNew && byte === code("R")) return this.become("text")
    if (isNew && byte === code("P")) {
      this.become("palette")
      this.rest = paletteLength
      return false
    }
    if (byte === bel) return this.become("text")
    // No string goes on in the next line; one that was never ended does not hide the rest of the conversation.
    if (byte === code("\n") || byte === code("\r")) return this.isTextAtEnd(byte, 0x30)
    return !this.isPartOfCharacter(byte) && byte === st8 && this.become("text")
  }
}
