// The controller's own work: it assigns exporters to leases, ends leases, notifies exporters, and detects lost ones. Every step is
// synchronous and takes the current time in milliseconds. The fiber of `run` takes the steps that are due.
import * as Effect from "effect/Effect"
import type { ExporterStatus } from "../../protocol/ExporterStatus.ts"
import * as interruptible from "../../util/interruptible.ts"
import * as assignment from "./assignment.ts"
import * as leases from "./lease.ts"
import { contactLimit, type ExporterObject, type Registry } from "./registry.ts"
import { Signal } from "./signal.ts"
import * as times from "./times.ts"

/**
 * A period in which a client held an exporter, in milliseconds since 1970. A transfer ends one period and starts the next.
 *
 * @since 0.1.0
 * @category models
 */
export interface Holding {
  readonly exporter: string
  readonly lease: string
  readonly client: string
  readonly from: number
  /** Absent while the client holds the exporter. */
  readonly until: number | undefined
}

export interface WorldOptions {
  readonly observed: boolean
  /** Whether the controller checks each waiting lease once a second, as the release of the published Python packages does. */
  readonly polls: boolean
  readonly policies: ReadonlyArray<assignment.Policy>
  /** Returns a random whole number from 0 to `count - 1`. */
  readonly random: (count: number) => number
}

// How long the controller takes to act on a change, in milliseconds.
const settling = 40

const pollInterval = 1_000

// How much later the controller notices that an exporter is lost, in milliseconds.
const lossDelay = 12_000

type Listener = (lease: leases.Lease | undefined) => void

export class World {
  readonly leases = new Map<string, leases.Lease>()
  readonly holdings: Array<Holding> = []
  private readonly due = new Map<leases.Lease, number>()
  private readonly holders = new Map<string, leases.Lease>()
  private readonly listeners = new Map<string, Set<Listener>>()
  private readonly known = new Map<leases.Lease, assignment.Candidates>()
  private readonly changed = new Signal()
  private running = true

  constructor(readonly registry: Registry, private readonly options: WorldOptions) {}

  /** Takes the steps that are due until it is interrupted. */
  readonly run: Effect.Effect<never> = Effect.forever(Effect.gen(this, function*() {
    const now = yield* times.now
    this.sweep(now)
    const change = this.changed.next
    const due = this.nextDue()
    // A test clock may be between two nanoseconds, and Effect sleeps for whole ones. To wake too early by a part of one would have no end.
    yield* due === Infinity ? change : interruptible.raceFirst(change, Effect.sleep(Math.ceil(Math.max(0, due - now))))
  }))

  /** Stops the work until `resume`, because a controller that is down does nothing. */
  pause(): void {
    this.running = false
    this.changed.fire()
  }

  /** Starts the work again with a check of every object, as a controller does when it starts. */
  resume(now: number): void {
    this.running = true
    for (const exporter of this.registry.exporters.values()) if (this.contactEnd(exporter) <= now) this.lose(exporter)
    for (const lease of this.due.keys()) this.look(lease, now)
    this.changed.fire()
  }

  // ---- leases

  add(lease: leases.Lease, now: number): void {
    this.leases.set(lease.name, lease)
    this.due.set(lease, now + settling)
    this.touched(lease, now)
  }

  /** Checks a lease again after a change of its request. */
  touched(lease: leases.Lease, now: number): void {
    this.known.delete(lease)
    if (lease.ended) return
    if (this.options.observed) this.lookSoon(lease, now)
    else this.look(lease, now)
  }

  /** Gives a lease to another client. */
  transfer(lease: leases.Lease, client: string, now: number): void {
    if (lease.client === client) return
    lease.client = client
    this.touched(lease, now)
    if (lease.exporter === undefined || this.holders.get(lease.exporter) !== lease) return
    this.endHolding(lease, now)
    this.beginHolding(lease, lease.exporter, now)
    this.notify(lease.exporter)
  }

  expire(lease: leases.Lease, now: number): void {
    if (lease.ended) return
    leases.expire(lease, now)
    this.ended(lease, now)
  }

  /** Marks a lease for release. */
  release(lease: leases.Lease, now: number): void {
    if (lease.released) return
    lease.released = true
    lease.generation++
    this.touched(lease, now)
  }

  /** Returns the lease that holds an exporter. */
  leaseOf(exporter: string): leases.Lease | undefined {
    return this.holders.get(exporter)
  }

  /** Brings the conditions of a waiting lease up to date. */
  refresh(lease: leases.Lease, now: number): void {
    if (!this.options.observed) this.look(lease, now)
  }

  // ---- exporters

  /** Checks all waiting leases again, after a change of labels, drivers or enabled exporters. */
  reconsider(now: number): void {
    this.known.clear()
    this.consider(this.waiting(), now)
  }

  /** Records a contact with an exporter. */
  heard(exporter: ExporterObject, now: number): void {
    exporter.lastSeen = now
    exporter.online = true
    this.changed.fire()
  }

  /** Records the status that an exporter reports. */
  report(exporter: ExporterObject, status: ExporterStatus, message: string, now: number): void {
    this.heard(exporter, now)
    exporter.status = status
    exporter.message = message
    if (status === "OFFLINE") exporter.online = false
    exporter.changed.fire()
    this.free(exporter, now)
  }

  /** Notifies a listener of the exporter's lease, now and at each change, until the returned function is called. */
  watch(exporter: ExporterObject, listener: Listener, now: number): (now: number) => void {
    const listeners = this.listeners.get(exporter.name) ?? new Set()
    this.listeners.set(exporter.name, listeners.add(listener))
    exporter.watching++
    this.heard(exporter, now)
    if (exporter.status === "OFFLINE") {
      exporter.status = "UNSPECIFIED"
      exporter.message = ""
      exporter.changed.fire()
    }
    listener(this.leaseOf(exporter.name))
    this.free(exporter, now)
    return (now) => {
      listeners.delete(listener)
      exporter.watching--
      exporter.lastSeen = now
      this.changed.fire()
    }
  }

  /** Marks an exporter as lost. */
  lose(exporter: ExporterObject): void {
    exporter.online = false
    exporter.status = "OFFLINE"
    exporter.message = "Connection lost - last seen more than 1 minute ago"
    exporter.changed.fire()
  }

  // ---- steps

  private sweep(now: number): void {
    if (!this.running) return
    for (const [lease, due] of this.due) if (due <= now) this.look(lease, now)
    for (const exporter of this.registry.exporters.values()) if (this.lossOf(exporter) <= now) this.lose(exporter)
  }

  private nextDue(): number {
    if (!this.running) return Infinity
    let next = Infinity
    for (const due of this.due.values()) next = Math.min(next, due)
    for (const exporter of this.registry.exporters.values()) next = Math.min(next, this.lossOf(exporter))
    return next
  }

  private lossOf(exporter: ExporterObject): number {
    return this.contactEnd(exporter) + (this.options.observed ? lossDelay : 0)
  }

  // When an exporter without contact counts as lost.
  private contactEnd({ lastSeen, online, watching }: ExporterObject): number {
    return online && watching === 0 ? lastSeen + contactLimit : Infinity
  }

  private look(lease: leases.Lease, now: number): void {
    if (lease.ended || !this.running) return
    if (lease.released) {
      leases.release(lease, now)
      return this.ended(lease, now)
    }
    const { begin } = lease.schedule
    if (lease.begun === undefined && begin !== undefined && begin > now) return this.schedule(lease, begin)
    if (lease.begun === undefined) this.assign(lease, now)
    if (lease.ended) return
    const end = leases.expiry(lease)
    if (end <= now) return this.expire(lease, now)
    this.schedule(
      lease,
      lease.begun === undefined && this.options.observed ? now + pollInterval : end
    )
  }

  private lookSoon(lease: leases.Lease, now: number): void {
    this.schedule(lease, Math.min(this.due.get(lease) ?? Infinity, now + settling))
  }

  private schedule(lease: leases.Lease, due: number): void {
    this.due.set(lease, due)
    this.changed.fire()
  }

  private assign(lease: leases.Lease, now: number): void {
    const candidates = this.candidatesOf(lease)
    if (candidates._tag === "Refused") {
      leases.refuse(lease, now, candidates.reason, candidates.message)
      return this.ended(lease, now)
    }
    const verdict = assignment.choose(candidates.approved, ({ name }) => this.holders.has(name))
    if (verdict._tag === "Pending") {
      return leases.setCondition(lease, now, "Pending", true, verdict.reason, verdict.message)
    }
    leases.begin(lease, now, verdict.exporter.name)
    this.holders.set(verdict.exporter.name, lease)
    this.beginHolding(lease, verdict.exporter.name, now)
    this.notify(verdict.exporter.name)
  }

  private candidatesOf(lease: leases.Lease): assignment.Candidates {
    const known = this.known.get(lease)
    if (known !== undefined) return known
    const found = assignment.candidates(
      lease,
      this.registry.clients.get(lease.client)?.labels ?? {},
      this.registry.all(),
      this.options.policies
    )
    this.known.set(lease, found)
    return found
  }

  private ended(lease: leases.Lease, now: number): void {
    this.due.delete(lease)
    this.known.delete(lease)
    const { exporter } = lease
    if (exporter === undefined || this.holders.get(exporter) !== lease) return
    this.holders.delete(exporter)
    this.endHolding(lease, now)
    this.notify(exporter)
    const object = this.registry.exporters.get(exporter)
    if (object !== undefined) this.free(object, now)
  }

  // Assigns an exporter to one of the leases that wait for it, if it is free.
  private free(exporter: ExporterObject, now: number): void {
    if (this.holders.has(exporter.name)) return
    this.consider(
      this.waiting().filter((lease) => {
        const candidates = this.candidatesOf(lease)
        return candidates._tag === "Refused" || candidates.approved.some((one) => one.exporter === exporter)
      }),
      now
    )
  }

  private waiting(): Array<leases.Lease> {
    return [...this.due.keys()].filter((lease) => lease.begun === undefined)
  }

  // Checks waiting leases in random order: there is no queue.
  private consider(waiting: Array<leases.Lease>, now: number): void {
    if (this.options.observed) {
      if (this.options.polls) return
      waiting.forEach((lease) => this.lookSoon(lease, now))
      return
    }
    for (let left = waiting.length; left > 0; left--) {
      const [lease] = waiting.splice(this.options.random(left), 1)
      if (lease !== undefined) this.look(lease, now)
    }
  }

  private notify(exporter: string): void {
    this.listeners.get(exporter)?.forEach((listener) => listener(this.leaseOf(exporter)))
  }

  private beginHolding(lease: leases.Lease, exporter: string, now: number): void {
    this.holdings.push({ exporter, lease: lease.name, client: lease.client, from: now, until: undefined })
  }

  private endHolding({ name }: leases.Lease, now: number): void {
    const index = this.holdings.findLastIndex((holding) => holding.lease === name)
    const holding = this.holdings[index]
    if (holding !== undefined) this.holdings[index] = { ...holding, until: now }
  }
}
