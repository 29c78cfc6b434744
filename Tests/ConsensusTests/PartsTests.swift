import Consensus
import Primitives
import Testing

@Suite struct QuorumTests {
    /// Every set of up to five voters and every set of outgoing ones, against the definition.
    @Test func `a quorum is a majority of the voters and of the outgoing, for every set of nodes`() {
        let nodes = (1...5).map { NodeID($0) }
        func subset(_ bits: Int) -> [NodeID] { nodes.filter { bits >> Int($0.rawValue - 1) & 1 == 1 } }
        func isMajority(_ some: Int, of all: Int) -> Bool {
            2 * (some & all).nonzeroBitCount > all.nonzeroBitCount
        }
        for voters in 0..<32 {
            for outgoing in 0..<32 {
                let quorum = Quorum(voters: subset(voters), outgoing: subset(outgoing))
                for agreeing in 0..<32 {
                    let expected =
                        isMajority(agreeing, of: voters)
                        && (outgoing == 0 || isMajority(agreeing, of: outgoing))
                    let actual = quorum.isReached { agreeing >> Int($0.rawValue - 1) & 1 == 1 }
                    if actual != expected { Issue.record("\(quorum) by \(subset(agreeing))") }
                }
            }
        }
    }

    /// All values 0...2 of five nodes, against the definition: the greatest value that a quorum has reached.
    @Test func `the greatest value that a quorum has reached`() {
        let nodes = (1...5).map { NodeID($0) }
        let sets = [0b00001, 0b00111, 0b01111, 0b11111, 0b11100]
        for voters in sets {
            for outgoing in [0, 0b00111, 0b11110] {
                func subset(_ bits: Int) -> [NodeID] {
                    nodes.filter { bits >> Int($0.rawValue - 1) & 1 == 1 }
                }
                let quorum = Quorum(voters: subset(voters), outgoing: subset(outgoing))
                for code in 0..<243 {
                    func value(_ node: NodeID) -> Int {
                        code / [1, 3, 9, 27, 81][Int(node.rawValue - 1)] % 3
                    }
                    let expected = (0...2).last { level in quorum.isReached { value($0) >= level } }
                    if quorum.greatest(value) != expected { Issue.record("\(quorum) of \(code)") }
                }
            }
        }
        #expect(Quorum(voters: []).greatest { _ in 1 } == nil)
    }
}

@Suite struct LogTermsTests {
    /// Random operations, against a plain list of terms.
    @Test func `as a list of terms would`() {
        var generator = SeededGenerator(seed: 5)
        for _ in 0..<200 {
            var base = position(3, 2)
            var log = LogTerms(after: base)
            var model: [UInt64] = []
            for _ in 0..<40 {
                switch generator.next(below: 4) {
                case 0, 1:
                    let term = (model.last ?? base.term.rawValue) + generator.next(below: 2)
                    let count = Int(generator.next(below: 3))
                    log.append(term: Term(term), count: count)
                    model += Array(repeating: term, count: count)
                case 2:
                    let kept = generator.next(below: UInt64(model.count) + 2)
                    log.truncate(from: base.index + kept + 1)
                    model = Array(model.prefix(Int(kept)))
                default:
                    let gone = Int(generator.next(below: UInt64(model.count) + 1))
                    log.compact(upTo: base.index + UInt64(gone))
                    if gone > 0 {
                        base = LogPosition(index: base.index + UInt64(gone), term: Term(model[gone - 1]))
                    }
                    model.removeFirst(gone)
                }
                check(log, base, model)
            }
        }
    }

    private func check(_ log: LogTerms, _ base: LogPosition, _ model: [UInt64]) {
        let all = [base.term.rawValue] + model
        #expect(log.base == base && log.lastIndex == base.index + UInt64(model.count))
        #expect(log.last.term.rawValue == all.last && log.isEmpty == model.isEmpty)
        for place in 0..<all.count where log.term(at: base.index + UInt64(place)) != Term(all[place]) {
            Issue.record("\(log) at \(place)")
        }
        #expect(log.term(at: base.index.previous) == nil && log.term(at: log.lastIndex.next) == nil)
        for term in 0..<(all.last ?? 0) + 2 {
            let limit = LogPosition(index: log.lastIndex, term: Term(term))
            let expected = all.lastIndex { $0 <= term } ?? 0
            if log.lastPosition(notAfter: limit).index != base.index + UInt64(expected) {
                Issue.record("\(log) not after \(limit)")
            }
        }
    }
}

@Suite struct ConfigurationTests {
    static let three = Configuration(voters: [3, 1, 2, 2].map { NodeID($0) })

    @Test func `members are kept in order, once, and a voter is no learner`() {
        let mixed = Configuration(
            voters: [NodeID(2), NodeID(1)], outgoing: [NodeID(3)], learners: [NodeID(3), NodeID(4)])
        #expect(mixed.voters == [NodeID(1), NodeID(2)] && mixed.learners == [NodeID(4)])
        #expect(mixed.members == [1, 2, 3, 4].map { NodeID($0) })
        #expect("\(mixed)" == "voters 1,2 outgoing 3 learners 4" && "\(Configuration.empty)" == "nobody")
    }

    @Test func `the binary form comes back, and nothing else is read`() throws {
        let mixed = Configuration(
            voters: [NodeID(1), NodeID(300)], outgoing: [NodeID(1)], learners: [NodeID(4)])
        for configuration in [Self.three, mixed, .empty] {
            let bytes = configuration.encode()
            #expect(try Configuration(decoding: bytes) == configuration)
            for end in bytes.indices {
                #expect(throws: ByteReaderError.self) { try Configuration(decoding: Array(bytes[..<end])) }
            }
            #expect(throws: ByteReaderError.self) { try Configuration(decoding: bytes + [0]) }
        }
        for wrong: [UInt8] in [
            [2, 0, 0, 0], [1, 2, 2, 1, 0, 0], [1, 1, 0, 0, 0], [1, 1, 1, 0, 1, 1], [1, 255, 255, 3, 1, 2],
        ] {
            #expect(throws: ByteReaderError.self) { try Configuration(decoding: wrong) }
        }
    }

    @Test func `a change goes through a joint configuration`() {
        let four = Configuration(voters: (1...4).map { NodeID($0) })
        let joint = Configuration(voters: four.voters, outgoing: Self.three.voters)
        #expect(!Self.three.mayBeFollowed(by: four) && Self.three.mayBeFollowed(by: joint))
        #expect(joint.mayBeFollowed(by: four) && !joint.mayBeFollowed(by: Self.three))
        #expect(Self.three.mayBeFollowed(by: Configuration(voters: Self.three.voters, learners: [NodeID(9)])))
        #expect(!Self.three.mayBeFollowed(by: .empty))
    }
}
