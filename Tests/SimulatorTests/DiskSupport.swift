import Primitives
import Simulator
import WAL

/// `count` bytes, different for each `number`; none of them zero.
func patternBytes(_ count: Int, _ number: Int = 1) -> [UInt8] {
    (0..<count).map { UInt8(truncatingIfNeeded: ($0 / 512 &* 31 &+ number &* 17) % 255 + 1) }
}

extension SimulatedDisk {
    /// Bytes from the cache, through a handle of its own.
    func read(_ path: String, at offset: Int = 0, count: Int = 1 << 20) throws(DiskError) -> [UInt8] {
        let file = try open(path)
        defer { close(file) }
        var buffer = [UInt8](repeating: 0, count: count)
        let got = try read(file, at: offset, into: &buffer)
        return Array(buffer[..<got])
    }

    /// Creates a file with these bytes, without syncing anything.
    @discardableResult
    func make(_ path: String, _ bytes: [UInt8]) throws(DiskError) -> DiskFile {
        let file = try create(path)
        try write(bytes, to: file, at: 0)
        return file
    }
}

/// The code of the error that `body` throws; nil if it throws none.
func errorCode(_ body: () throws(DiskError) -> Void) -> Int32? {
    do {
        try body()
        return nil
    } catch {
        return error.code
    }
}

/// A disk with the folder `/data` and in it the file `/data/a.log` of eight sectors, all durable.
func diskWithFile(seed: UInt64 = 1) -> (disk: SimulatedDisk, file: DiskFile) {
    let disk = SimulatedDisk(seed: seed, folders: ["/data"])
    disk.put("/data/a.log", patternBytes(4096))
    guard let file = try? disk.open("/data/a.log") else { fatalError("it was just put there") }
    return (disk, file)
}

/// The size of a sector.
let sectorBytes = 512
