// One door for system calls: a call that a signal interrupted is repeated, a failure becomes a value, and a
// failure that only a bug in this program can cause stops the process where it happened.

import Glibc

/// Why a system call failed.
public struct SystemError: Error, Hashable, Sendable, CustomStringConvertible {
    /// The `errno` value.
    public let code: Int32
    /// The call that failed, by its name in the manual.
    public let call: String

    /// Describes a failure of `call` with this `errno` value.
    public init(code: Int32, call: String) {
        self.code = code
        self.call = call
    }

    /// The operating system's words for the code, as in `Address already in use`.
    public var reason: String { String(cString: strerror(code)) }

    /// One line: the call, the reason, the number.
    public var description: String { "\(call): \(reason) (errno \(code))" }
}

/// Makes a system call: again while a signal interrupts it, throwing what `errno` says if it answers -1.
///
/// `EBADF` and `EFAULT` mean that this program lost track of a descriptor or a buffer. Going on could write
/// to somebody else's file, so they stop the process.
@discardableResult
public func attempt<Answer: SignedInteger>(
    _ call: StaticString, _ body: () -> Answer
) throws(SystemError) -> Answer {
    while true {
        let answer = body()
        if answer >= 0 { return answer }
        let code = errno  // Read before anything else can overwrite it.
        if code == EINTR { continue }
        precondition(code != EBADF && code != EFAULT, "\(call): errno \(code) is a bug in this program")
        throw SystemError(code: code, call: call.description)
    }
}
