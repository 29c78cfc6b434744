import HTTP
import Platform
import Primitives

/// The open connections by slot number. Free slots hold nothing but the generation of the next connection.
struct ConnectionTable: ~Copyable {
    private struct Place {
        var generation: UInt32 = 0
        var isOpen = false
        /// The tick of the slot's valid entry in the wheel. It outlives the connection, so that slots that
        /// are used again and again leave no more than one entry behind.
        var scheduled = DeadlineWheel.none
    }

    // Slots cannot be copied, so an array cannot hold them. Initialized exactly where a place is open.
    private var slots: UnsafeMutablePointer<Slot>
    private var capacity = 64
    private var places: [Place] = []
    private var free: [UInt32] = []
    private(set) var count = 0

    init() { slots = .allocate(capacity: capacity) }

    deinit {
        for index in places.indices where places[index].isOpen { (slots + index).deinitialize(count: 1) }
        slots.deallocate()
    }

    /// Puts a connection into a free slot.
    mutating func insert(_ slot: consuming Slot) -> ConnectionID {
        let index = free.popLast().map(Int.init) ?? addPlace()
        (slots + index).initialize(to: slot)
        places[index].isOpen = true
        count += 1
        return ConnectionID(slot: UInt32(index), generation: places[index].generation)
    }

    /// Closes a connection's socket and frees its slot.
    mutating func remove(_ index: Int) {
        precondition(places[index].isOpen)
        (slots + index).deinitialize(count: 1)
        places[index].isOpen = false
        places[index].generation &+= 1
        free.append(UInt32(index))
        count -= 1
    }

    /// The slot number of a connection that is still open.
    func index(of id: ConnectionID) -> Int? {
        let index = Int(id.slot)
        guard index < places.count, places[index].isOpen, places[index].generation == id.generation else {
            return nil
        }
        return index
    }

    /// The identifier of the connection in an open slot.
    func id(at index: Int) -> ConnectionID {
        ConnectionID(slot: UInt32(index), generation: places[index].generation)
    }

    /// Whether there is a connection in this slot.
    func isOpen(_ index: Int) -> Bool { index < places.count && places[index].isOpen }

    /// How many slots there are, open or not.
    var slotCount: Int { places.count }

    /// The tick of the slot's valid entry in the wheel.
    func scheduled(_ index: Int) -> Int64 { places[index].scheduled }
    /// Notes the tick of the slot's valid entry in the wheel.
    mutating func setScheduled(_ index: Int, _ tick: Int64) { places[index].scheduled = tick }

    /// An open slot, in place.
    subscript(index: Int) -> Slot {
        unsafeAddress {
            precondition(places[index].isOpen)
            return UnsafePointer(slots + index)
        }
        unsafeMutableAddress {
            precondition(places[index].isOpen)
            return slots + index
        }
    }

    private mutating func addPlace() -> Int {
        if places.count == capacity {
            let larger = UnsafeMutablePointer<Slot>.allocate(capacity: capacity * 2)
            // No place is free here, so all slots are initialized.
            larger.moveInitialize(from: slots, count: capacity)
            slots.deallocate()
            slots = larger
            capacity *= 2
        }
        places.append(Place())
        return places.count - 1
    }
}
