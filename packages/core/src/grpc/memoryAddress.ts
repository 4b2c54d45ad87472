// The default name of an exporter in this process. Clients cannot connect to it, so it is not shown or stored as an address.
export const memory = "memory"
