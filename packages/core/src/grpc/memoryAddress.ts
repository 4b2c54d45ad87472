// The name of an exporter in this process unless it is given another one. Nobody can connect to it, so it is no address to
// show or to keep.
export const memory = "memory"
