import Consensus

extension SmallScope {
    /// The digests of the states seen so far: open addressing in one array, sixteen bytes a place, never more
    /// than three quarters full.
    struct VisitedSet: ~Copyable {
        private var slots: [UInt64]
        private var mask: Int
        private(set) var count = 0

        init() {
            mask = (1 << 12) - 1
            slots = [UInt64](repeating: 0, count: 2 << 12)
        }

        var bytes: Int { slots.count * 8 }

        /// Adds a digest; false if it is there already.
        mutating func insert(_ digest: StateDigest) -> Bool {
            // Both halves zero mean an empty place.
            let high = digest.high
            let low = digest.low | (digest.high == 0 ? 1 : 0)
            var place = Int(truncatingIfNeeded: high) & mask
            while true {
                let found = slots[2 * place]
                if found == high && slots[2 * place + 1] == low { return false }
                if found == 0 && slots[2 * place + 1] == 0 { break }
                place = (place + 1) & mask
            }
            slots[2 * place] = high
            slots[2 * place + 1] = low
            count += 1
            if 4 * count > 3 * (mask + 1) { grow() }
            return true
        }

        private mutating func grow() {
            let old = slots
            mask = 2 * mask + 1
            slots = [UInt64](repeating: 0, count: 2 * (mask + 1))
            for from in stride(from: 0, to: old.count, by: 2) where old[from] != 0 || old[from + 1] != 0 {
                var place = Int(truncatingIfNeeded: old[from]) & mask
                while slots[2 * place] != 0 || slots[2 * place + 1] != 0 { place = (place + 1) & mask }
                slots[2 * place] = old[from]
                slots[2 * place + 1] = old[from + 1]
            }
        }
    }
}
