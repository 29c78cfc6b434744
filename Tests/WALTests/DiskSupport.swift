import Primitives
import Simulator
import WAL

extension SimulatedDisk {
    /// The disk as the next boot finds it after a power failure.
    func afterCrash(seed: UInt64) -> SimulatedDisk {
        var random = SeededGenerator(seed: seed)
        return fork(using: &random)
    }

    /// A disk with the same files, all durable.
    func copy() -> SimulatedDisk {
        let copy = SimulatedDisk(seed: 1, folders: [directory])
        for path in paths() { copy.put(path, contents(path) ?? []) }
        return copy
    }
}
