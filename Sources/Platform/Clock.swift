// The only place that reads the machine's clocks and its randomness; everything else is handed them.

import CPlatform
import Glibc
public import Primitives

/// The machine's clocks.
public enum Clock {
    /// The monotonic clock: it never goes back, and it stands still while the machine is suspended.
    public static func now() -> Instant { Instant(nanoseconds: read(CLOCK_MONOTONIC)) }

    /// Civil time, which an operator or NTP may set in either direction.
    public static func wallTime() -> WallTime { WallTime(milliseconds: read(CLOCK_REALTIME) / 1_000_000) }

    /// Civil time in microseconds since 1970.
    public static func wallMicroseconds() -> Int64 { read(CLOCK_REALTIME) / 1_000 }

    /// Processor time that the calling thread has used so far.
    public static func threadTime() -> Instant.Span {
        Instant.Span(nanoseconds: parley_thread_cpu_time())
    }

    /// How far civil time can be from true time, as the kernel knows it from whoever disciplines its clock;
    /// nil if nobody does (adjtimex(2)).
    public static func errorBound() -> Instant.Span? {
        let microseconds = parley_clock_error()
        return microseconds < 0 ? nil : Instant.Span(nanoseconds: microseconds * 1_000)
    }

    private static func read(_ clock: clockid_t) -> Int64 {
        var time = timespec()
        let answer = clock_gettime(clock, &time)
        precondition(answer == 0, "the kernel has no such clock")
        return Int64(time.tv_sec) * 1_000_000_000 + Int64(time.tv_nsec)
    }
}

/// Randomness from the kernel, good enough for secrets and for seeds.
public enum Entropy {
    /// `count` random bytes.
    public static func bytes(_ count: Int) -> [UInt8] {
        [UInt8](unsafeUninitializedCapacity: count) { buffer, filled in
            let answer = parley_random(buffer.baseAddress, count)
            precondition(answer == 0, "the kernel refuses to give random bytes")
            filled = count
        }
    }

    /// 64 random bits.
    public static func seed() -> UInt64 {
        var seed: UInt64 = 0
        let answer = parley_random(&seed, 8)
        precondition(answer == 0, "the kernel refuses to give random bytes")
        return seed
    }
}
