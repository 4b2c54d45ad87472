// The environment of processes whose memory a bug of Node could corrupt.

/**
 * Has glibc keep no lists of freed memory for each thread, which it does not check. Then a process that writes into freed memory
 * aborts soon. Elsewhere it means nothing.
 */
export const strict = { GLIBC_TUNABLES: "glibc.malloc.tcache_count=0" }
