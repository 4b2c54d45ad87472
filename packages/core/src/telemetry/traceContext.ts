// The trace context that travels from a caller to a host, as metadata (W3C `traceparent`).
import * as Headers from "@effect/platform/Headers"
import * as HttpTraceContext from "@effect/platform/HttpTraceContext"
import * as Option from "effect/Option"
import type * as Tracer from "effect/Tracer"
import * as Metadata from "../grpc/Metadata.ts"

const key = "traceparent"

// Zeroes mean "none" in W3C's format.
const isNone = (id: string): boolean => /^0+$/.test(id)

// Anything that is not a valid trace context counts as none: peers and tracers may send any text.
const parse = (text: string): Option.Option<Tracer.ExternalSpan> =>
  Option.filter(
    HttpTraceContext.w3c(Headers.fromInput({ [key]: text })),
    ({ spanId, traceId }) => !isNone(spanId) && !isNone(traceId)
  )

export const fromMetadata = (metadata: Metadata.Metadata): Option.Option<Tracer.ExternalSpan> =>
  Option.flatMap(Metadata.get(metadata, key), parse)

export const toMetadata = (span: Tracer.Span): Metadata.Metadata =>
  Headers.get(HttpTraceContext.toHeaders(span), key).pipe(
    Option.filter((text) => Option.isSome(parse(text))),
    Option.match({ onNone: () => Metadata.empty, onSome: (text) => Metadata.make({ [key]: text }) })
  )
