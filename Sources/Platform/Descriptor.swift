import Glibc

/// An open file descriptor, owned by exactly one place and closed when that place is done.
public struct Descriptor: ~Copyable, Sendable {
    /// The kernel's number for it; valid only while this value lives.
    public let number: Int32

    /// Takes over a descriptor that nobody else will close.
    public init(owning number: Int32) {
        precondition(number >= 0, "not a descriptor")
        self.number = number
    }

    deinit {
        // Never repeated: Linux frees the number even if close is interrupted.
        let failed = close(number) != 0
        precondition(!failed || errno != EBADF, "descriptor \(number) was closed by somebody else")
    }

    /// Gives the descriptor away: whoever takes the number must close it.
    public consuming func release() -> Int32 {
        let number = number
        discard self
        return number
    }
}
