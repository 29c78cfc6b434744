import CCurl

/// Where libcurl's callback puts a body: plain memory with a limit, kept from transfer to transfer, without
/// reference counts on the way.
struct ByteSink {
    private var memory: UnsafeMutablePointer<UInt8>?
    private var capacity = 0
    private(set) var count = 0
    /// The most that may come; more ends the transfer.
    var limit: Int
    private(set) var isOverLimit = false

    init(limit: Int) { self.limit = limit }

    /// Must be called once, when nothing will come any more.
    mutating func free() {
        memory?.deallocate()
        memory = nil
    }

    /// Forgets the contents; a block larger than `keeping` is given back.
    mutating func clear(keeping: Int = 256 * 1024) {
        count = 0
        isOverLimit = false
        guard capacity > keeping else { return }
        free()
        capacity = 0
    }

    var bytes: UnsafeBufferPointer<UInt8> { UnsafeBufferPointer(start: memory, count: count) }

    /// False if the limit would be passed.
    mutating func append(_ source: UnsafeRawPointer, _ size: Int) -> Bool {
        guard size <= limit - count else {
            isOverLimit = true
            return false
        }
        if count + size > capacity { grow(to: count + size) }
        if let memory { UnsafeMutableRawPointer(memory + count).copyMemory(from: source, byteCount: size) }
        count += size
        return true
    }

    private mutating func grow(to needed: Int) {
        var larger = max(4096, capacity)
        while larger < needed { larger *= 2 }
        let block = UnsafeMutablePointer<UInt8>.allocate(capacity: larger)
        if let memory {
            block.update(from: memory, count: count)
            memory.deallocate()
        }
        memory = block
        capacity = larger
    }
}

/// The callback for bodies; its context is a pointer to a ``ByteSink``.
let appendToSink: parley_curl_data_function = { data, size, count, context in
    guard let data, let context else { return 0 }
    let length = size * count
    return context.assumingMemoryBound(to: ByteSink.self).pointee.append(data, length) ? length : 0
}
