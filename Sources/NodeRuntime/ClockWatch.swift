// What time it is for the node: the machine's clock, or what most of the nodes agree on where that is wrong.
import API
import Clocks
import Platform
import Primitives

/// Watches over the node's clock.
///
/// An object of the node loop's, and of nobody else, like ``Datagrams``.
final class ClockWatch {
    /// Hybrid times of peers that were not taken over, because they are too far ahead.
    private(set) var refused: UInt64 = 0
    /// What is to be told.
    private(set) var warnings: [String] = []

    private var causes: [(cause: ClockCause, correction: Int64)] = []
    private var trust = ClockGuard()
    private var lastRefusal: Instant?

    /// Whether the machine's clock is far from what most of the nodes' clocks agree on.
    var isWrong: Bool { trust.isWrong }
    /// What is added to the machine's clock, in microseconds.
    var correction: Int64 { trust.correction }

    /// Civil time, corrected if need be.
    func civilTime(at now: Instant, _ probes: ClockProbes) -> WallTime {
        let clock = Clock.wallMicroseconds()
        if trust.isDue(at: now, clock: clock) {
            let agreement = probes.agreement(at: now, clock: clock)
            let cause = trust.judge(agreement, at: now, clock: clock)
            if let cause { causes.append((cause, trust.correction)) }
            switch cause {
            case .disagreed:
                let by = Double(abs(trust.correction)) / 1_000_000
                let side = trust.correction < 0 ? "ahead of" : "behind"
                warnings.append(
                    "this machine's clock is \(by) s \(side) what most of the nodes agree on: "
                        + "their time is used instead")
            case .agreed, .alone: warnings.append("this machine's clock is used again")
            case nil: break
            }
        }
        return WallTime(milliseconds: (clock + trust.correction) / 1_000)
    }

    /// A peer's time could not be taken over. Told once a minute.
    func refuse(_ error: ClockError, of peer: String, at now: Instant) {
        refused += 1
        guard case .ahead(let milliseconds, _) = error else { return }
        if let lastRefusal, now - lastRefusal < .seconds(60) { return }
        lastRefusal = now
        warnings.append("\(peer)'s hybrid clock is \(milliseconds) ms ahead of this node's: not followed")
    }

    /// Changes of the trust in this node's clock since this was called last.
    func takeSteps(of node: String) -> [TransitionTrail.Step] {
        defer { causes.removeAll() }
        return causes.map { change in
            let isWrong = change.cause == .disagreed
            return TransitionTrail.Step(
                .clock, of: node, from: isWrong ? .believed : .corrected,
                to: isWrong ? .corrected : .believed,
                change.cause
            ).with("correction_ms", .text("\(change.correction / 1_000)"))
        }
    }

    func takeWarnings() -> [String] {
        defer { warnings.removeAll() }
        return warnings
    }
}
