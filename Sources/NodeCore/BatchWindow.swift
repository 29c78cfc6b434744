/// Which batches of a peer were seen: the newest 1,024 of each of the processes that were heard last.
///
/// An HTTP client may repeat a request whose connection died, and a forwarded write must not be proposed
/// twice. Each process of the peer (each incarnation) counts for itself, so that neither a late batch of one
/// that has ended nor one that somebody wrote by hand gets in the way of the present one's.
struct BatchWindow {
    /// How many processes are remembered.
    private static let processLimit = 8

    /// The one heard last at the end.
    private var processes: [Process] = []

    /// False if the batch was seen, or is too old to tell.
    mutating func insert(_ batch: UInt64, of incarnation: UInt64) -> Bool {
        if processes.last?.incarnation != incarnation {
            if let place = processes.firstIndex(where: { $0.incarnation == incarnation }) {
                processes.append(processes.remove(at: place))
            } else {
                processes.append(Process(incarnation: incarnation))
                if processes.count > Self.processLimit { processes.removeFirst() }
            }
        }
        return processes[processes.count - 1].insert(batch)
    }

    private struct Process {
        let incarnation: UInt64
        private var newest: UInt64 = 0
        private var seen = [UInt64](repeating: 0, count: 16)

        init(incarnation: UInt64) { self.incarnation = incarnation }

        mutating func insert(_ batch: UInt64) -> Bool {
            if batch > newest {
                let steps = batch - newest
                if steps >= 1024 {
                    seen = [UInt64](repeating: 0, count: 16)
                } else {
                    for step in 1...steps { clear(newest + step) }
                }
                newest = batch
            } else if newest - batch >= 1024 {
                return false
            }
            let (word, bit) = Self.place(of: batch)
            guard seen[word] & bit == 0 else { return false }
            seen[word] |= bit
            return true
        }

        private mutating func clear(_ batch: UInt64) {
            let (word, bit) = Self.place(of: batch)
            seen[word] &= ~bit
        }

        private static func place(of batch: UInt64) -> (word: Int, bit: UInt64) {
            let place = Int(batch % 1024)
            return (place / 64, 1 << UInt64(place % 64))
        }
    }
}
