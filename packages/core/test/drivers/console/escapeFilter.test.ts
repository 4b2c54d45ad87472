import { assert, describe, it } from "@effect/vitest"
import { FastCheck as fc } from "effect"
import { EscapeFilter } from "../../../src/drivers/console/escapeFilter.ts"
import { text, utf8 } from "../../support/bytes.ts"

const latin1 = (text: string): Uint8Array => Uint8Array.from(text, (character) => character.charCodeAt(0))

const filtered = (pieces: Iterable<Uint8Array>): string => {
  const filter = new EscapeFilter()
  const parts = Array.from(pieces, (piece) => filter.push(piece))
  return text(new Uint8Array([...parts, filter.end()].flatMap((part) => Array.from(part))))
}

const cases: ReadonlyArray<readonly [name: string, bytes: Uint8Array, visible: string]> = [
  ["colors", utf8("\x1b[01;32mgreen\x1b[0m \x1b[38:2::1:2:3mtrue\x1b[m"), "green true"],
  ["bracketed paste and other modes", utf8("\x1b[?2004h$ \x1b[?25l\x1b[!p\x1b[>4;2m"), "$ "],
  ["a control sequence with intermediates", utf8("a\x1b[2 qb"), "ab"],
  ["a title that ends with BEL", utf8("\x1b]0;root@board: ~\x07# "), "# "],
  ["a title that ends with ST", utf8("\x1b]2;✓ é\x1b\\# "), "# "],
  ["a title that ends with 8-bit ST", new Uint8Array([...utf8("\x1b]2;✓ é"), 0x9c, ...utf8("# ")]), "# "],
  ["a title that ends with ST in UTF-8", utf8("\x1b]2;é\u009c# "), "# "],
  ["a title of screen", utf8("\x1bkbash\x1b\\$ "), "$ "],
  ["a hyperlink", utf8("\x1b]8;;http://board\x1b\\here\x1b]8;;\x1b\\"), "here"],
  [
    "device control, start of string, privacy and application strings",
    utf8("\x1bPq#1\x1b\\a\x1bXx\x1b\\b\x1b^y\x1b\\c\x1b_z\x1b\\"),
    "abc"
  ],
  ["a title without an end", utf8("\x1b]0;title\r\nlogin: "), "\r\nlogin: "],
  ["a title that is cancelled", utf8("\x1b]0;ti\x18login: "), "login: "],
  ["a title that ends with another sequence", utf8("\x1b]0;ti\x1b[mlogin: "), "login: "],
  ["palette colors of the Linux console", utf8("\x1b]P0a1b2c3x\x1b]Ry"), "xy"],
  ["character sets", utf8("\x1b(B\x1b)0\x1b%G\x1b#8a\x0f"), "a\x0f"],
  ["cursor saved, keypad modes, reset", utf8("\x1b7a\x1b8\x1b=b\x1b>\x1bcc\x1bM"), "abc"],
  ["several escapes in a row", utf8("\x1b\x1b\x1b[ma"), "a"],
  ["an escape at the end", utf8("# \x1b"), "# "],
  ["an escape before a line end", utf8("a\x1b\r\nb"), "a\r\nb"],
  ["a control sequence that a line end cuts off", utf8("a\x1b[12\nb"), "a\nb"],
  ["8-bit control sequences", latin1("\x9b?2004h# \x9b0m"), "# "],
  ["control sequences in UTF-8", utf8("\u009b1m# \u009b0m"), "# "],
  ["text of several bytes", utf8("ěÛ\u00a0\u0085✓😀\u02db"), "ěÛ\u00a0\u0085✓😀\u02db"],
  ["other control characters", utf8("\x07\b\t\0\x7f"), "\x07\b\t\0\x7f"],
  ["bytes that are not UTF-8", latin1("\x80\xffa\xc3"), "\ufffd\ufffda\ufffd"],
  ["half a character of two bytes at the end", latin1("a\xc2"), "a\ufffd"],
  ["half a character before another", latin1("a\xc2\xc2\xa0\xc2b"), "a\ufffd\u00a0\ufffdb"]
]

describe("EscapeFilter", () => {
  it.each(cases)("%s", (_, bytes, visible) => {
    assert.strictEqual(filtered([bytes]), visible)
    assert.strictEqual(filtered(Array.from(bytes, (byte) => Uint8Array.of(byte))), visible, "byte by byte")
    for (let at = 1; at < bytes.length; at++) {
      assert.strictEqual(filtered([bytes.subarray(0, at), bytes.subarray(at)]), visible, `in two pieces, at ${at}`)
    }
  })

  it.prop("leaves text alone", [fc.string({ unit: "binary" })], ([random]) => {
    // eslint-disable-next-line no-control-regex
    const plain = random.replaceAll(/[\x1b\u009b]/g, "")
    assert.strictEqual(filtered([utf8(plain)]), text(utf8(plain)))
  })

  it.prop("accepts any bytes", [fc.uint8Array()], ([garbage]) => {
    assert.include(filtered([garbage, utf8("\r\nlogin: ")]), "login: ")
  })
})
