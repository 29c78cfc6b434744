import Glibc
import Platform
import Primitives

extension CurrentThread {
    /// Does nothing for about this long. Not on the node loop, unless it is to stand still.
    static func sleep(for span: Instant.Span) {
        guard span > .zero else { return }
        var left = timespec(
            tv_sec: Int(span.nanoseconds / 1_000_000_000), tv_nsec: Int(span.nanoseconds % 1_000_000_000))
        var rest = timespec()
        while nanosleep(&left, &rest) != 0 && errno == EINTR { left = rest }
    }
}
