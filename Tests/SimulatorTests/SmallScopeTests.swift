import Consensus
import Primitives
import Testing

@testable import Simulator

extension SmallScope.Bounds {
    /// Next to nothing: one election.
    static var tiny: SmallScope.Bounds {
        var bounds = SmallScope.Bounds()
        bounds.terms = 1
        bounds.entries = 0
        bounds.timeouts = 1
        bounds.heartbeats = 0
        bounds.reads = 0
        bounds.crashes = 0
        bounds.duplicates = 0
        bounds.slowPersists = 0
        return bounds
    }
}

@Suite struct SmallScopeTests {
    private static func search(
        _ check: ((borrowing SmallScope.WorldView) -> String?)? = nil
    ) -> SmallScope.Search {
        var search = SmallScope.Search()
        search.furtherCheck = check
        return search
    }

    @Test func `an election with a crash is explored whole, in as many states as ever`() {
        var bounds = SmallScope.Bounds.tiny
        bounds.crashes = 1
        let result = SmallScope.explore(bounds)
        #expect(result.ending == .complete)
        #expect(result.violation == nil)
        #expect(result.progress.states == 1000)
        #expect(result.progress.transitions == 4099)
    }

    @Test func `two elections in order, with one fault of any kind, are explored whole`() {
        var bounds = SmallScope.Bounds.tiny
        bounds.order = .whole
        bounds.start = .led
        bounds.terms = 2
        bounds.entries = 1
        bounds.crashes = 1
        bounds.duplicates = 1
        bounds.delays = 1
        bounds.shortened = 1
        bounds.partitions = 1
        bounds.haste = 1
        bounds.slowPersists = 1
        bounds.sharedTurns = 1
        bounds.unreachables = 1
        bounds.faults = 1
        let result = SmallScope.explore(bounds)
        #expect(result.ending == .complete)
        #expect(result.violation == nil)
        #expect(result.progress.states == 4873)
    }

    @Test func `all scopes hold as far as they are searched here`() {
        for scope in SmallScope.scopes {
            #expect(scope.bounds.problem == nil)
            var search = SmallScope.Search()
            search.states = 600
            let result = SmallScope.explore(scope.bounds, search)
            #expect(result.violation == nil, "\(scope.name)")
            #expect(result.progress.states >= 600, "\(scope.name)")
        }
    }

    @Test func `the same search gives the same result`() {
        var search = Self.search { $0.committed >= 2 ? "two entries" : nil }
        search.states = 20_000
        let bounds = SmallScope.scopes[3].bounds
        #expect(SmallScope.explore(bounds, search) == SmallScope.explore(bounds, search))
    }

    @Test func `states that differ only in names count once`() {
        var bounds = SmallScope.Bounds.tiny
        let merged = SmallScope.explore(bounds)
        bounds.mergesMirrorImages = false
        let apart = SmallScope.explore(bounds)
        #expect(merged.ending == .complete && apart.ending == .complete)
        #expect(apart.progress.states > 4 * merged.progress.states)
        #expect(apart.progress.states <= 6 * merged.progress.states)
        #expect(merged.progress.depth == apart.progress.depth)
    }

    @Test func `a broken promise is found with the fewest steps, which lead to it`() throws {
        let search = Self.search { $0.nodes.contains { $0.role == .leader } ? "there is a leader" : nil }
        let result = SmallScope.explore(.tiny, search)
        let violation = try #require(result.violation)
        #expect(result.ending == .violation)
        #expect(violation.invariant == "further check")
        #expect(violation.text == "there is a leader")
        // A timeout, a pre-vote asked for and given, a vote asked for and given.
        #expect(violation.depth == 5)
        let steps = violation.trace.filter { $0.first != " " }
        #expect(
            steps == [
                "1. node 1 has a timeout",
                "2. node 2 receives pre-vote request 1→2 t1: log ends at 0@0",
                "3. node 1 receives pre-vote 2→1 t1: yes",
                "4. node 2 receives vote request 1→2 t1: log ends at 0@0",
                "5. node 1 receives vote 2→1 t1: yes",
            ])
        #expect(violation.trace.contains("      node 1: leader, term 1, vote 1, log [0] 1, commit 0"))
    }

    @Test func `a given start is part of the trace`() throws {
        var bounds = SmallScope.Bounds.tiny
        bounds.start = .led
        bounds.entries = 1
        let result = SmallScope.explore(bounds, Self.search { $0.committed > 1 ? "committed" : nil })
        let violation = try #require(result.violation)
        #expect(violation.depth == 3)
        #expect(violation.trace.first == "1. node 1 has a timeout")
        #expect(violation.trace.contains { $0.hasSuffix("log [0] 1 1c, commit 2") })
    }

    @Test func `a search ends where it is told to`() {
        let bounds = SmallScope.scopes[0].bounds
        var search = SmallScope.Search()
        search.states = 1000
        #expect(SmallScope.explore(bounds, search).ending == .states)
        search.states = .max
        search.bytes = 400 << 10
        let result = SmallScope.explore(bounds, search)
        #expect(result.ending == .memory)
        #expect(result.progress.states > 1000)
        search.goesOn = { _ in false }
        #expect(SmallScope.explore(bounds, search).ending == .interrupted)
    }

    @Test func `who stops the process in the core is told by the last step before`() {
        var last: (state: Int, step: UInt32)?
        var search = SmallScope.Search()
        search.states = 50
        search.beforeRun = { last = ($0, $1) }
        let bounds = SmallScope.scopes[0].bounds
        _ = SmallScope.explore(bounds, search)
        guard let last else { return #expect(Bool(false), "the core never ran") }
        let trace = SmallScope.trace(bounds, to: last.state, step: last.step)
        #expect(trace.count > 2)
        #expect(trace.first == "1. node 1 has a timeout")
        #expect(trace.last?.first != " ")
    }

    @Test func `bounds that make no sense are named`() {
        var bounds = SmallScope.Bounds()
        #expect(bounds.problem == nil)
        bounds.nodes = 6
        #expect(bounds.problem?.contains("nodes") == true)
        bounds.nodes = 3
        bounds.entries = 15
        #expect(bounds.problem?.contains("entries") == true)
        bounds.entries = 1
        bounds.crashes = 16
        #expect(bounds.problem?.contains("counts") == true)
    }
}
