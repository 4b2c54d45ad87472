// How drivers write bytes in JSON. JSON has no bytes, so each driver has its own text for them.
import * as Effect from "effect/Effect"
import * as ParseResult from "effect/ParseResult"
import * as Schema from "effect/Schema"

const bytes = Schema.Uint8ArrayFromSelf.annotations({ identifier: "Uint8Array" })

export const hex: Schema.Schema<Uint8Array, string> = Schema.Uint8ArrayFromHex

export const base64: Schema.Schema<Uint8Array, string> = Schema.Uint8ArrayFromBase64

// Some drivers return Python's bytes as they are. The exporter sends them as text, so they must be UTF-8.
export const utf8: Schema.Schema<Uint8Array, string> = Schema.transformOrFail(Schema.String, bytes, {
  strict: true,
  decode: (text) => Effect.succeed(new TextEncoder().encode(text)),
  encode: (value, _, ast) =>
    Effect.try({
      try: () => new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(value),
      catch: () =>
        new ParseResult.Type(ast, value, "the driver takes bytes as text, so only bytes that are UTF-8 can be sent")
    })
})

// Bytes as the only field of an object.
export const wrapped = (
  text: Schema.Schema<Uint8Array, string>
): Schema.Schema<Uint8Array, { readonly data: string }> =>
  Schema.transform(Schema.Struct({ data: text }), bytes, {
    strict: true,
    decode: ({ data }) => data,
    encode: (data) => ({ data })
  })
