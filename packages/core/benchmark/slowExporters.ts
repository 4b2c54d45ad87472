// Exporters of the soak that take their time before they are ready.

/** Their names. */
export const slowExporters: ReadonlyArray<string> = Array.from({ length: 10 }, (_, index) => `slow-${index}`)

/** How long their hook before a lease takes: longer than gRPC waits for a connection. */
export const slowHook = "25 seconds"
