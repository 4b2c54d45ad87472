/**
 * Services of vehicles (SOME/IP): `jumpstarter_driver_someip` (`protocol.md` 14.3).
 *
 * @since 0.1.0
 */
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import * as DriverInterface from "../contract/DriverInterface.ts"
import * as DriverMethod from "../contract/DriverMethod.ts"
import * as callers from "../protocol/callerFrame.ts"
import type { DriverCallError } from "../protocol/DriverError.ts"
import { held } from "./bracket.ts"
import * as bits from "./family/bits.ts"
import * as bytes from "./family/bytes.ts"
import { polled } from "./polling.ts"

/**
 * A message. With a `return_code` of 0 the service accepted the request.
 *
 * @since 0.1.0
 * @category schemas
 */
export const Message = Schema.Struct({
  service_id: bits.sixteen,
  method_id: bits.sixteen,
  client_id: bits.sixteen,
  session_id: bits.sixteen,
  protocol_version: Schema.Int,
  interface_version: Schema.Int,
  message_type: Schema.Int,
  return_code: Schema.Int,
  payload: bytes.hex
})

/**
 * @since 0.1.0
 * @category models
 */
export interface Message extends Schema.Schema.Type<typeof Message> {}

/**
 * An instance of a service that was found.
 *
 * @since 0.1.0
 * @category schemas
 */
export const Service = Schema.Struct({
  service_id: bits.sixteen,
  instance_id: bits.sixteen,
  major_version: Schema.Int,
  minor_version: Schema.Int
})

/**
 * @since 0.1.0
 * @category models
 */
export interface Service extends Schema.Schema.Type<typeof Service> {}

/**
 * What a service announces to its subscribers.
 *
 * @since 0.1.0
 * @category schemas
 */
export const Notification = Schema.Struct({ service_id: bits.sixteen, event_id: bits.sixteen, payload: bytes.hex })

/**
 * @since 0.1.0
 * @category models
 */
export interface Notification extends Schema.Schema.Type<typeof Notification> {}

const Payload = bytes.wrapped(bytes.hex)
const oneGroup = DriverMethod.named((eventgroup = bits.sixteen) => [eventgroup])
const wait = (seconds: number) => DriverMethod.optional(Schema.NonNegative, { fallback: seconds })

/**
 * The contract. Timeouts are in seconds. A call that gets no answer in time fails with a `DriverError`. The published driver calls
 * methods and subscribes to events at 127.0.0.1:30490 of the exporter only, wherever its configuration says that the service is, and
 * waits 5 seconds for each answer (`protocol.md` 14.3). Messages go where the configuration says.
 *
 * @since 0.1.0
 * @category models
 * @example
 * ```ts
 * import { Device } from "@effect-jumpstarter/core"
 * import { SomeIp } from "@effect-jumpstarter/core/drivers"
 * import { Effect, Stream } from "effect"
 *
 * class Cabin extends Device.Tag("acme/Cabin", SomeIp.contract)<Cabin>() {}
 *
 * const temperatures = Effect.gen(function*() {
 *   const cabin = yield* Cabin
 *   yield* cabin.rpc_call(0x1234, 0x0001, Uint8Array.of(21))
 *   return yield* SomeIp.events(cabin, 0x0010).pipe(Stream.take(3), Stream.runCollect)
 * })
 * ```
 */
export const contract = DriverInterface.make("jumpstarter_driver_someip.client.SomeIpDriverClient", {
  /** Opens the endpoint. The first other call opens it as well. */
  start: DriverMethod.call({
    documentation: "Opens the endpoint. The first other call opens it as well.",
    idempotent: true
  }),
  /** Calls a method of a service, and returns its answer. */
  rpc_call: DriverMethod.call({
    args: DriverMethod.named((
      service = bits.sixteen,
      method = bits.sixteen,
      payload = Payload,
      timeout = wait(5)
    ) => [service, method, payload, timeout]),
    result: Message,
    documentation: "Calls a method of a service, and returns its answer."
  }),
  /** Sends a message and expects no answer. */
  send_message: DriverMethod.call({
    args: DriverMethod.named((
      service = bits.sixteen,
      method = bits.sixteen,
      payload = Payload
    ) => [service, method, payload]),
    documentation: "Sends a message and expects no answer."
  }),
  /** Waits for a message for some seconds. */
  receive_message: DriverMethod.call({
    args: DriverMethod.named((timeout = wait(2)) => [timeout]),
    result: Message,
    effect: "read",
    documentation: "Waits for a message for some seconds."
  }),
  /** Looks for instances of a service for some seconds, and returns when the first one answers. */
  find_service: DriverMethod.call({
    args: DriverMethod.named((
      service = bits.sixteen,
      instance = DriverMethod.optional(bits.sixteen, { fallback: 0xffff }),
      timeout = wait(5)
    ) => [service, instance, timeout]),
    result: Schema.Array(Service),
    effect: "read",
    documentation: "Looks for instances of a service for some seconds, and returns when the first one answers.",
    idempotent: true
  }),
  /** Subscribes to the events of a group. */
  subscribe_eventgroup: DriverMethod.call({
    args: oneGroup,
    documentation: "Subscribes to the events of a group.",
    idempotent: true
  }),
  /** Ends a subscription. */
  unsubscribe_eventgroup: DriverMethod.call({
    args: oneGroup,
    documentation: "Ends a subscription.",
    idempotent: true
  }),
  /** Waits for an event of a subscribed group for some seconds. */
  receive_event: DriverMethod.call({
    args: DriverMethod.named((timeout = wait(5)) => [timeout]),
    result: Notification,
    effect: "read",
    documentation: "Waits for an event of a subscribed group for some seconds."
  }),
  /** Closes the endpoint. Only reconnect opens it again. */
  close_connection: DriverMethod.call({
    documentation: "Closes the endpoint. Only reconnect opens it again.",
    idempotent: true
  }),
  /** Closes the endpoint and opens it again. */
  reconnect: DriverMethod.call({
    documentation: "Closes the endpoint and opens it again.",
    idempotent: true
  })
}, { driverType: "automotive" })

/**
 * The client of a SOME/IP endpoint.
 *
 * @since 0.1.0
 * @category models
 */
export interface Client extends DriverInterface.Client<typeof contract> {}

/**
 * The events of a group. The stream subscribes when it starts, and ends the subscription with itself. The driver has one
 * queue for the events of all groups.
 *
 * @since 0.1.0
 * @category combinators
 */
export const events = (
  endpoint: Pick<Client, "subscribe_eventgroup" | "unsubscribe_eventgroup" | "receive_event">,
  eventgroup: number
): Stream.Stream<Notification, DriverCallError> => {
  const caller = callers.of()
  return Stream.flatMap(
    Stream.scoped(held(
      "a subscription to SOME/IP events",
      callers.on(caller, () => endpoint.subscribe_eventgroup(eventgroup)),
      () => callers.on(caller, () => endpoint.unsubscribe_eventgroup(eventgroup))
    )),
    () => polled((seconds) => callers.on(caller, () => endpoint.receive_event(seconds)))
  )
}

/**
 * The messages that arrive, as long as the stream runs.
 *
 * @since 0.1.0
 * @category combinators
 */
export const messages = (endpoint: Pick<Client, "receive_message">): Stream.Stream<Message, DriverCallError> => {
  const caller = callers.of()
  return polled((seconds) => callers.on(caller, () => endpoint.receive_message(seconds)))
}
