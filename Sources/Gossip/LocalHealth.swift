/// How far a node should trust its own view: 0 is healthy (Lifeguard, section IV-A, local health multiplier).
///
/// A node whose own probes fail although its helpers say nothing of a failure, or that has to object to being
/// suspected, is likely to be the slow one itself. It then gives others more time.
struct LocalHealth: Sendable {
    private(set) var score = 0
    let worst: Int

    init(worst: Int) { self.worst = max(0, min(worst, 255)) }

    /// By how much periods and timeouts are stretched.
    var multiplier: Int { score + 1 }

    mutating func note(_ change: Int) { score = max(0, min(worst, score + change)) }
}
