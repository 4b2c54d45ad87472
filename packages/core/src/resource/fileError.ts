// Errors of files, in the form of Effect's file system.
import * as PlatformError from "@effect/platform/Error"

export type FileError = PlatformError.PlatformError

const reasons: Readonly<Record<string, PlatformError.SystemErrorReason>> = {
  EACCES: "PermissionDenied",
  EPERM: "PermissionDenied",
  ENOENT: "NotFound",
  EBUSY: "Busy",
  EPIPE: "BadResource",
  ENXIO: "BadResource"
}

export const fromNode = (method: string, path: string, cause: NodeJS.ErrnoException): FileError =>
  new PlatformError.SystemError({
    reason: reasons[cause.code ?? ""] ?? "Unknown",
    module: "FileSystem",
    method,
    pathOrDescriptor: path,
    syscall: cause.syscall,
    description: cause.code === "EPIPE" ? "nobody reads from this pipe any more (EPIPE)" : cause.message,
    cause
  })

// An error for a file of the wrong kind.
export const refuse = (method: string, path: string, description: string): FileError =>
  new PlatformError.SystemError({
    reason: "BadResource",
    module: "FileSystem",
    method,
    pathOrDescriptor: path,
    description
  })
