// A tracer that tells a recorder about the steps of a program: its spans. They go on to the tracer that the program has. Calls and
// leases have spans as well, but the bench sees more of them.
import * as Exit from "effect/Exit"
import * as Tracer from "effect/Tracer"
import * as telemetrySpan from "../../telemetry/span.ts"
import { ended, nextId } from "./bench.ts"
import { program, type Recorder } from "./recorder.ts"

const watch = (span: Tracer.Span, recorder: Recorder): void => {
  const id = nextId()
  recorder.add({ event: "begin", id, kind: "step", name: recorder.text(program, span.name) })
  const { end, event } = span
  Object.assign(span, {
    end: (endTime: bigint, exit: Exit.Exit<unknown, unknown>) => {
      end.call(span, endTime, exit)
      recorder.add(ended(recorder, id, program, Exit.asVoid(exit)))
    },
    event: (name: string, startTime: bigint, attributes?: Record<string, unknown>) => {
      event.call(span, name, startTime, attributes)
      recorder.add({ event: "item", id, value: recorder.value(program, { ...attributes, event: name }) })
    }
  })
}

export const tracer = (inner: Tracer.Tracer, recorder: Recorder): Tracer.Tracer => {
  const tracer = Tracer.make({
    span: (name, parent, context, links, startTime, kind, options) => {
      const span = inner.span(name, parent, context, links, startTime, kind, options)
      if (kind === "internal" && !name.startsWith("jumpstarter.")) watch(span, recorder)
      return span
    },
    // Without a frame of its own in the stacks of the program.
    context: inner.context.bind(inner)
  })
  telemetrySpan.passesOn(tracer, inner)
  return tracer
}
