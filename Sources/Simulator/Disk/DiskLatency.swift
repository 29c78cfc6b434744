public import Primitives

/// How long the operations of a ``SimulatedDisk`` take.
public struct DiskLatency: Sendable, Equatable {
    /// Every operation.
    public var call: Instant.Span
    /// A sync of a file or folder, in addition; each takes between half and one and a half times as long.
    public var sync: Instant.Span
    /// Moving a mebibyte from the platter (when it is read) or to it (when it is synced).
    public var perMebibyte: Instant.Span
    /// How many of a million operations stall.
    public var stallsPerMillion: Int
    /// How long a stall lasts.
    public var stall: Range<Instant.Span>
    /// A slow disk takes so many times as long, stalls apart.
    public var factor: Int

    /// Makes a latency; without arguments that of a plain solid-state disk, which never stalls.
    public init(
        call: Instant.Span = .microseconds(2), sync: Instant.Span = .microseconds(400),
        perMebibyte: Instant.Span = .milliseconds(2), stallsPerMillion: Int = 0,
        stall: Range<Instant.Span> = .milliseconds(50) ..< .seconds(2), factor: Int = 1
    ) {
        self.call = call
        self.sync = sync
        self.perMebibyte = perMebibyte
        self.stallsPerMillion = stallsPerMillion
        self.stall = stall
        self.factor = factor
    }

    /// Everything takes no time.
    public static let none = DiskLatency(call: .zero, sync: .zero, perMebibyte: .zero)
}
