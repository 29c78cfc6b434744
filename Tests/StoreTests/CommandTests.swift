import Primitives
import Testing

@testable import Store

@Suite struct CommandTests {
    static let key = Array("k\u{0}é".utf8)
    static let operations: [Store.Operation] = [
        .put(key: key, value: [], guard: nil, returnPrevious: false),
        .put(key: key, value: [0, 255], guard: .revision(Revision(.max)), returnPrevious: true),
        .put(key: key, value: [1], guard: .absent, returnPrevious: false),
        .delete(key: key, guard: .exists, returnPrevious: true, mustExist: true),
        .delete(key: key, guard: nil, returnPrevious: false, mustExist: false),
        .deleteRange(KeyRange(start: [], end: nil)),
        .deleteRange(KeyRange(start: [1, 2], end: [])),
        .increment(key: key, by: .min),
        .batch([], createOnly: false),
        .batch([BatchPut(key: [1], value: [2]), BatchPut(key: [1], value: [])], createOnly: true),
        .compact(Revision(1 << 40)),
        .coordinate(.announce(Announcement(sender: "zoë", channel: "", body: [0, 255]))),
        .transaction(Transaction(then: [])),
        .transaction(
            Transaction(
                conditions: [
                    .value(key: key, .equal, [1, 2]), .revision(key: key, .notEqual, 1),
                    .createRevision(key: key, .less, 300), .version(key: key, .atMost, 2),
                    .count(.prefix([1]), .greater, 3), .count(.all, .atLeast, 0),
                ],
                then: [
                    .put(key: key, value: [1], returnPrevious: true),
                    .delete(key: key, returnPrevious: false),
                    .deleteRange(.only(key)), .increment(key: key, by: -3), .get(key: key),
                    .list(.all, limit: 1000),
                    .transaction(Transaction(then: [.get(key: [0])], otherwise: [])),
                ],
                otherwise: [.get(key: key)])),
    ]

    static func command(_ operation: Store.Operation) -> Command {
        Command(
            requestID: RequestID(high: 0x0102_0304_0506_0708, low: 0x1112_1314_1516_1718),
            time: WallTime(milliseconds: 1_763_808_753_120), operation: operation, principal: "zoë")
    }

    @Test(arguments: operations + leases) func `commands come back`(_ operation: Store.Operation) throws {
        let command = Self.command(operation)
        let bytes = command.encode()
        #expect(try Command(decoding: bytes) == command)
        #expect(Command.requestID(of: bytes) == command.requestID)
    }

    @Test(arguments: operations + leases)
    func `a command that is cut or goes on is refused and changes nothing`(_ operation: Store.Operation) {
        let bytes = Self.command(operation).encode()
        for end in 0..<bytes.count {
            #expect(throws: CommandError.malformed) { try Command(decoding: Array(bytes[..<end])) }
            if end < 25 { #expect(Command.requestID(of: Array(bytes[..<end])) == nil) }
        }
        #expect(throws: CommandError.malformed) { try Command(decoding: bytes + [0]) }
        var keyspace = Keyspace()
        keyspace.put("a", "1")
        let before = keyspace.digest
        for end in 0..<bytes.count {
            var copy = keyspace
            let outcome = copy.apply(encoded: Array(bytes[..<end]), index: LogIndex(2), term: Term(1))
            #expect(outcome == .refused(.malformedCommand))
            #expect(copy.revision == keyspace.revision && copy.lastTime == keyspace.lastTime)
        }
        #expect(keyspace.digest == before)
    }

    @Test(arguments: operations + leases) func `no byte changed in a command stops the process`(
        _ operation: Store.Operation
    ) throws {
        let bytes = Self.command(operation).encode()
        var keyspace = Keyspace()
        keyspace.put("a", "1")
        for place in bytes.indices {
            for change: UInt8 in [1, 2, 4, 8, 16, 32, 64, 128, 255] {
                var changed = bytes
                changed[place] ^= change
                var copy = keyspace
                let outcome = copy.apply(encoded: changed, index: LogIndex(2), term: Term(1))
                if let command = try? Command(decoding: changed) {
                    #expect(command.encode() == changed, "accepted, but not what the encoder writes")
                } else {
                    #expect(outcome == .refused(.malformedCommand))
                }
            }
        }
    }

    @Test func `versions and operations of the future are named`() {
        var bytes = Self.command(Self.operations[0]).encode()
        bytes[0] = 9
        #expect(throws: CommandError.unknownVersion(9)) { try Command(decoding: bytes) }
        bytes[0] = 1
        bytes[25 + 5] = 77
        #expect(throws: CommandError.unknownOperation(77)) { try Command(decoding: bytes) }
    }

    @Test func `the bytes of a command stay as they are`() {
        let command = Command(
            requestID: RequestID(high: 1, low: 2), time: WallTime(milliseconds: 3),
            operation: .put(
                key: [97], value: [98, 99], guard: .revision(Revision(300)), returnPrevious: true),
            principal: "me")
        let expected: [UInt8] =
            [1] + [1, 0, 0, 0, 0, 0, 0, 0] + [2, 0, 0, 0, 0, 0, 0, 0] + [3, 0, 0, 0, 0, 0, 0, 0]
            + [2, 109, 101] + [1] + [5, 0xac, 2] + [1, 97] + [2, 98, 99]
        #expect(command.encode() == expected)
    }

    @Test func `the leader's time can be put into an encoded command`() throws {
        var command = Self.command(Self.operations[0])
        var bytes = command.encode()
        command.time = WallTime(milliseconds: 42)
        Command.setTime(command.time, in: &bytes)
        #expect(bytes == command.encode())
        var short: [UInt8] = [1, 2]
        Command.setTime(command.time, in: &short)
        #expect(short == [1, 2])
    }

    @Test func `keys that are empty or too long are refused`() {
        var keyspace = Keyspace()
        let longest = [UInt8](repeating: 7, count: Limits.keyBytes)
        let outcomes = [[], longest, longest + [7]].map { key in
            keyspace.apply(.put(key: key, value: [1], guard: nil, returnPrevious: false))
        }
        #expect(outcomes[0] == .refused(.malformedCommand))
        #expect(
            outcomes[1]
                == .put(PutOutcome(revision: Revision(2), createRevision: Revision(2), version: 1)))
        #expect(outcomes[2] == .refused(.malformedCommand))
        #expect(keyspace.row(longest).map { $0?.valueCount } == .success(1))
    }
}
