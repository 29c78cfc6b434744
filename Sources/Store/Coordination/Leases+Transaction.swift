import Primitives

// Keys that are put under leases, by themselves or by a step of a transaction.

extension Keyspace {
    /// Why a key can't be put under this lease; nil if it can.
    func refusal(of choice: LeaseChoice) -> StepRefusal? {
        switch choice {
        case .existing(let id) where lease(id) == nil: .leaseNotFound(id)
        case .existing, .own: hasRoom ? nil : .full
        case .kept: nil
        }
    }

    /// The id of the lease that a key is put under, which is made if it is one of its own; nil if there is
    /// none. Nothing speaks against it.
    mutating func leaseID(_ choice: LeaseChoice, for key: UnsafeRawBufferPointer) -> String? {
        switch choice {
        case .existing(let id): id
        case .kept: unsafe current.find(Place(key)).flatMap { unsafe Row($0).lease }
        case .own(let milliseconds): grantLease(LeaseTerms(timeToLive: milliseconds), isPrivate: true).id
        }
    }

    /// The same steps with the ids of the leases that keys are put under. Leases of their own are made, in
    /// the order of the steps, and every lease is told its keys at once: so one does not end when a step
    /// takes its last key from it while another step is to put one under it.
    mutating func settleLeases(of steps: [Transaction.Step]) -> [Transaction.Step] {
        var settled = steps
        for (place, step) in steps.enumerated() {
            guard case .leasedPut(let key, let value, let returnPrevious, let choice) = step else { continue }
            guard let id = unsafe key.withUnsafeBytes({ unsafe leaseID(choice, for: $0) }) else {
                settled[place] = .put(key: key, value: value, returnPrevious: returnPrevious)
                continue
            }
            coordination.set(RowKey(.leasedKey, id, key))
            settled[place] = .leasedPut(
                key: key, value: value, returnPrevious: returnPrevious, lease: .existing(id))
        }
        return settled
    }
}
