// What a server allows the client of a connection beyond HTTP/2's defaults and its own SETTINGS. That depends on the client, which its
// first RPC names.
import type { ServerHttp2Session } from "node:http2"

// How many bytes a client may have in flight on all streams of a connection together, if it may have more than HTTP/2's default. Node does
// not read HTTP/2 while it waits for a write. Two Node processes with more bytes in flight both ways than the kernel buffers would wait
// for each other indefinitely. So a client that may be such a process is allowed more only if it allows no more than the default itself:
// the kernel takes that much at once, and this process never waits for a write.
const connectionWindow = 16 * 1024 * 1024

const defaultWindow = 65_535

// What any other client on a Unix socket may have in flight. Linux takes more than 200 KiB at once, so that the client does not wait for
// its writes, and there is room for what has no flow control. 64 KiB would be used up by each large write.
const kernelWindow = 96 * 1024

// The largest limit of SETTINGS, which HTTP/2 understands as none.
const unlimited = 2 ** 32 - 1

// gRPC's library in C. Python's, Ruby's and others are built on it.
const isGrpcCore = (userAgent: string): boolean => /\bgrpc-c\//.test(userAgent)

// Whether a client reads even while its writes wait. Our own client sends no user agent; it always reads except on a Unix socket.
const alwaysReads = (isLocal: boolean, userAgent: string): boolean =>
  isLocal ? isGrpcCore(userAgent) || /\bgrpc-(go|java-\w+)\//.test(userAgent) : !userAgent.includes("grpc-node")

// Whether a client allows no more than the default, and will not allow more later. grpc-js decides that when it connects.
const allowsLittle = (session: ServerHttp2Session, userAgent: string): boolean =>
  userAgent.includes("grpc-node-js/") && (session.state.remoteWindowSize ?? Infinity) <= defaultWindow

/**
 * Allows a client what it can handle. Returns whether the server has to refuse streams over its limit: gRPC's library in C counts a byte
 * stream of Python as open until Python's garbage collector finds it, however long ago both sides have ended it. With the limit in SETTINGS,
 * such a client would hold back all its RPCs when that many byte streams have ended.
 */
export const extend = (session: ServerHttp2Session, isLocal: boolean, userAgent: string): boolean => {
  if (alwaysReads(isLocal, userAgent) || allowsLittle(session, userAgent)) session.setLocalWindowSize(connectionWindow)
  else if (isLocal && process.platform === "linux") session.setLocalWindowSize(kernelWindow)
  if (isGrpcCore(userAgent)) session.settings({ maxConcurrentStreams: unlimited })
  return isGrpcCore(userAgent)
}
