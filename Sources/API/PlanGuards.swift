// Guards of transactions: from their JSON form to the store's.

import HTTP
import JSON
import Primitives
import Store

extension TransactionReader {
    /// What a guard compares.
    private enum Subject {
        case number(String, Transaction.Comparison, UInt64)
        case value(Transaction.Comparison, [UInt8])
        case exists(Bool)
    }

    /// A guard about what is held, or about a lease, as far as it was read.
    private struct Holding {
        var claim: ClaimName?
        var token: (isWanted: Bool, number: UInt64)?
        var lease: (isWanted: Bool, id: String)?

        var isEmpty: Bool { claim == nil && token == nil && lease == nil }
    }

    private static let guardNames = [
        "key", "key_b64", "prefix", "start", "end", "value", "value_b64", "revision", "create_revision",
        "version", "absent", "exists", "count", "lease", "lock", "election", "semaphore", "token",
    ]

    mutating func condition(_ path: String) throws -> Transaction.Condition {
        var target = Target(path)
        var subject: Subject?
        var holding = Holding()
        try reader.beginObject()
        while let name = try reader.nextName() {
            if try target.take(name, &reader) || take(name, path, &holding) { continue }
            guard Self.guardNames.contains(name) else {
                throw Self.unknown(name, path + ".", Self.guardNames)
            }
            guard subject == nil else {
                throw Self.invalid(path, "compares more than one thing; write a guard for each")
            }
            subject = try self.subject(name, "\(path).\(name)")
        }
        if !holding.isEmpty { return try condition(holding, target, subject, path) }
        guard let subject else {
            throw Self.invalid(path, "compares nothing; it needs one of revision, version, value, absent, …")
        }
        if case .number("count", let comparison, let number) = subject {
            return .count(try target.range(limits), comparison, number)
        }
        let key = try target.key(limits)
        switch subject {
        case .exists(let isWanted): return .version(key: key, isWanted ? .greater : .equal, 0)
        case .number("revision", let comparison, let number): return .revision(key: key, comparison, number)
        case .number("create_revision", let comparison, let number):
            return .createRevision(key: key, comparison, number)
        case .number(_, let comparison, let number): return .version(key: key, comparison, number)
        case .value(let comparison, let value): return .value(key: key, comparison, value)
        }
    }

    /// Reads a member of a guard about what is held, or about a lease, if it is one.
    private mutating func take(_ name: String, _ path: String, _ holding: inout Holding) throws -> Bool {
        switch name {
        case "lock", "election", "semaphore":
            let text = try reader.string()
            guard Store.Limits.isName(text) else {
                throw Self.invalid(
                    "\(path).\(name)",
                    "is a name of 1 to \(Store.Limits.nameBytes) bytes without control characters")
            }
            guard holding.claim == nil, let kind = ClaimKind(name: name) else {
                throw Self.invalid(path, "is about one lock, election or semaphore; write a guard for each")
            }
            holding.claim = ClaimName(kind, text)
        case "token":
            let (comparison, number) = try compared("\(path).token") { try $0.uint64() }
            holding.token = (try Self.isEquality(comparison, "\(path).token"), number)
        case "lease":
            let (comparison, id) = try compared("\(path).lease") { try $0.string() }
            guard id.isEmpty || Store.Limits.isLeaseID(id) else {
                throw Self.invalid(
                    "\(path).lease", "is the id of a lease, of up to \(Store.Limits.leaseIDBytes) bytes")
            }
            holding.lease = (try Self.isEquality(comparison, "\(path).lease"), id)
        default: return false
        }
        return true
    }

    private func condition(
        _ holding: Holding, _ target: Target, _ subject: Subject?, _ path: String
    ) throws -> Transaction.Condition {
        switch (holding.claim, holding.token, holding.lease, subject) {
        case (let claim?, let token?, nil, nil) where target.isEmpty:
            return .held(Fence(claim, token: token.number), isWanted: token.isWanted)
        case (nil, nil, let lease?, .exists(let isWanted)?) where target.isEmpty:
            guard lease.isWanted, !lease.id.isEmpty else {
                throw Self.invalid("\(path).lease", "is the id of the lease that exists, or does not")
            }
            return .leaseExists(lease.id, isWanted: isWanted)
        case (nil, nil, let lease?, nil):
            return .lease(key: try target.key(limits), lease.id, isWanted: lease.isWanted)
        case (_?, nil, _, _): throw Self.invalid(path + ".token", "is missing")
        case (nil, _?, _, _):
            throw Self.invalid(path, "has a token of nothing; it needs one of lock, election and semaphore")
        default: throw Self.invalid(path, "compares more than one thing; write a guard for each")
        }
    }

    private static func isEquality(_ comparison: Transaction.Comparison, _ path: String) throws -> Bool {
        switch comparison {
        case .equal: return true
        case .notEqual: return false
        case .less, .atMost, .greater, .atLeast:
            throw invalid(path, "is compared with eq or ne: it has no order")
        }
    }

    /// The id of a lease.
    mutating func leaseID(_ path: String) throws -> String {
        let id = try reader.string()
        guard Store.Limits.isLeaseID(id) else {
            throw Self.invalid(path, "is the id of a lease, of 1 to \(Store.Limits.leaseIDBytes) bytes")
        }
        return id
    }

    private mutating func subject(_ name: String, _ path: String) throws -> Subject {
        switch name {
        case "absent", "exists": return .exists(try reader.bool() == (name == "exists"))
        case "value":
            let (comparison, value) = try compared(path) { try $0.bytes() }
            return .value(comparison, value)
        case "value_b64":
            let (comparison, value) = try compared(path) { try $0.base64() }
            return .value(comparison, value)
        default:
            let (comparison, number) = try compared(path) { try $0.uint64() }
            return .number(name, comparison, number)
        }
    }

    /// Something bare, which means equality, or `{"gt":…}`.
    private mutating func compared<Value>(
        _ path: String, _ read: (inout JSONReader) throws -> Value
    ) throws -> (Transaction.Comparison, Value) {
        guard try reader.peek() == .object else { return (.equal, try read(&reader)) }
        var found: (Transaction.Comparison, Value)?
        try reader.beginObject()
        while let name = try reader.nextName() {
            guard let place = Self.comparators.firstIndex(of: name) else {
                throw Self.unknown(name, path + ".", Self.comparators)
            }
            guard found == nil else {
                throw Self.invalid(path, "has more than one comparison; write a guard for each")
            }
            found = (Transaction.Comparison.allCases[place], try read(&reader))
        }
        guard let found else { throw Self.invalid(path, "is an empty comparison") }
        return found
    }

    /// In the order of `Transaction.Comparison`.
    private static let comparators = ["eq", "ne", "lt", "le", "gt", "ge"]
}
