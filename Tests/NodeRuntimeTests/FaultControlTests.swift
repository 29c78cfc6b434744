import API
import Faults
import HTTP
import HTTPServer
import Primitives
import Testing

@testable import NodeRuntime

@Suite struct FaultControlTests {
    private let roster: Roster

    init() throws {
        roster = try Roster(
            NodeConfiguration(
                name: "a", listen: ":1", dataDirectory: "data",
                members: [("a", "http://h:1"), ("b", "http://h:2"), ("c", "http://h:3")]))
    }

    @Test func `changes are known by the batches that tell of them, which no link uses`() {
        let control = FaultControl()
        let plan = NativeAPI(
            settings: .init(nodeName: "a", advertisedURL: "http://h:1", clusterName: "c", version: "1"))
        guard
            case .fault(let healing) = plan.plan(
                for: .init(method: .delete, target: "/faults", fields: [(name: "Host", value: "h")], body: [])
            )
        else {
            Issue.record("no plan")
            return
        }
        var change = FaultControl.Change(
            connection: connection(1), plan: healing, action: .heal(id: nil),
            status: FaultStatus(items: [], total: FaultHits()))
        let (one, two) = (control.nextBatch(), control.nextBatch())
        #expect(one > FaultControl.firstBatch && two > one)
        change.open = [one: NodeID(2), two: NodeID(3)]
        let number = control.add(change)
        #expect(control.change(of: one) == number && control.change(of: two) == number)
        #expect(control.change(of: two + 1) == nil)
    }

    @Test func `ids are the node's name and a number`() {
        let control = FaultControl()
        let ids = [control.nextID("a"), control.nextID("a")]
        #expect(ids == ["a-1", "a-2"])
        #expect(control.deadline == .never)
    }

    @Test func `something is to be done when a fault ends, or when what was held arrives`() throws {
        let control = FaultControl()
        let fault = Fault(id: "z", kind: .pause(NodeID(1)), expires: .milliseconds(500))
        try control.table.set(fault, at: .zero)
        #expect(control.deadline == .milliseconds(500))
        let part = FaultControl.Held.part(id: 1, offset: 0, bytes: [1], isLast: true)
        #expect(control.held.hold(part, bytes: 1, until: .milliseconds(20)) == true)
        #expect(control.deadline == .milliseconds(20))
    }

    @Test func `the log tells faults in few words`() {
        let (a, b, c) = (NodeID(1), NodeID(2), NodeID(3))
        var block = LinkEffect()
        block.blocks = true
        #expect(roster.words(.link(from: a, to: nil, LinkEffect())) == "a to *")
        #expect(roster.words(.link(from: nil, to: b, block)) == "* to b, blocked")
        #expect(roster.words(.partition(.groups([[a], [b]], bridge: [c]))) == "partition a / b, bridge c")
        #expect(roster.words(.partition(.groups([[a], [b, c]], bridge: []))) == "partition a / b,c")
        #expect(roster.words(.partition(.oneWay(from: [a], to: [b, c]))) == "a to b,c, blocked")
        #expect(roster.words(.pause(c)) == "pause of c")
        guard
            case .groups(let groups, let bridge) = roster.view(.partition(.groups([[a], [b]], bridge: [c])))
        else {
            Issue.record("no groups")
            return
        }
        #expect(groups == [["a"], ["b"]] && bridge == ["c"])
    }
}
