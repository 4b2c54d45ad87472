// A tracer that keeps the spans that have ended.
import * as Effect from "effect/Effect"
import type * as Exit from "effect/Exit"
import * as Option from "effect/Option"
import * as Tracer from "effect/Tracer"

export interface Ended {
  readonly name: string
  readonly kind: Tracer.SpanKind
  readonly traceId: string
  readonly spanId: string
  readonly parent: string | undefined
  readonly attributes: Readonly<Record<string, unknown>>
  readonly events: ReadonlyArray<string>
  readonly exit: Exit.Exit<unknown, unknown>
  readonly nanos: bigint
}

const id = (length: number, number: number) => number.toString(16).padStart(length, "a")

/** `traceId` is the id of traces without a parent. */
export const make = (traceId = (number: number) => id(32, number)) => {
  const ended: Array<Ended> = []
  const waiting = new Set<() => void>()
  let begun = 0
  const tracer = Tracer.make({
    span: (name, parent, context, links, startTime, kind) => {
      begun += 1
      const attributes = new Map<string, unknown>()
      const events: Array<string> = []
      const ids = {
        spanId: id(16, begun),
        traceId: Option.match(parent, { onNone: () => traceId(begun), onSome: ({ traceId }) => traceId })
      }
      return {
        _tag: "Span",
        ...ids,
        name,
        parent,
        context,
        links,
        kind,
        sampled: true,
        attributes,
        status: { _tag: "Started", startTime },
        attribute: (key, value) => void attributes.set(key, value),
        event: (name) => void events.push(name),
        addLinks: () => {},
        end: (endTime, exit) => {
          ended.push({
            ...ids,
            name,
            kind,
            parent: Option.getOrUndefined(Option.map(parent, ({ spanId }) => spanId)),
            attributes: Object.fromEntries(attributes),
            events,
            exit,
            nanos: endTime - startTime
          })
          waiting.forEach((look) => look())
        }
      }
    },
    context: (f) => f()
  })
  return {
    tracer,
    ended,
    begun: () => begun,
    /** Waits for the span of one side of a call to end, and returns it. */
    await: (kind: Tracer.SpanKind, name: string): Effect.Effect<Ended> =>
      Effect.async((resume) => {
        const look = () => {
          const span = ended.find((span) => span.kind === kind && span.name === name)
          if (span !== undefined) resume(Effect.succeed(span))
        }
        waiting.add(look)
        look()
        return Effect.sync(() => waiting.delete(look))
      })
  }
}
