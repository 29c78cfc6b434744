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

    /// Processor time that the calling thread has used so far.
    public static func threadTime() -> Instant.Span {
        Instant.Span(nanoseconds: parley_thread_cpu_time())
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
