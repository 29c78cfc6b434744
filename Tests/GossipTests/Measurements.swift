import Foundation
import Primitives
import Testing

@testable import Gossip

/// The figures of this target's documentation. They take minutes, and so are made on demand, in release:
/// `PARLEY_GOSSIP=1 swift test -c release --filter GossipTests.Measurements`.
@Suite(.enabled(if: ProcessInfo.processInfo.environment["PARLEY_GOSSIP"] != nil), .serialized)
struct Measurements {
    private static let seeds: ClosedRange<UInt64> = 1...20

    private func spread(_ values: [Double]) -> String {
        let sorted = values.sorted()
        guard let last = sorted.last else { return "none" }
        return String(format: "median %.1f, greatest %.1f", sorted[sorted.count / 2], last)
    }

    @Test(arguments: [3, 5, 50, 200], [0.0, 0.02])
    func `how long until a crash is known to all`(count: Int, loss: Double) {
        let limit = 3 * binaryLogarithm(Double(count))
        var suspected: [Double] = []
        var known: [Double] = []
        for seed in Self.seeds {
            let network = SimulatedNetwork(count, seed: seed)
            network.loss = loss
            network.run(for: .seconds(20))
            network.crash(1)
            let crashed = network.now
            let took = network.run(atMost: .seconds(120)) { network.allBelieve(.dead, of: 1) }
            known.append(Double(took?.milliseconds ?? 120_000) / 1000)
            let first = network.transitions.first { $0.what.at > crashed && $0.what.member == NodeID(2) }
            suspected.append(Double(((first?.what.at ?? network.now) - crashed).milliseconds) / 1000)
        }
        let over = known.count { $0 > limit }
        print("crash n=\(count) loss=\(loss): first suspicion \(spread(suspected)) s;", terminator: " ")
        print("known to all \(spread(known)) s; limit \(String(format: "%.1f", limit)), over it \(over)/20")
        if count >= 50 { #expect(over == 0) }
    }

    @Test(arguments: [0.02, 0.1, 0.3]) func `how often a living node is taken for dead`(loss: Double) {
        let network = SimulatedNetwork(200, seed: 1)
        network.loss = loss
        network.run(for: .seconds(900))
        let hours = 200.0 * 900 / 3600
        let suspicions = network.transitions.count {
            if case .probeFailed = $0.what.cause { return true }
            return false
        }
        print(
            "false at loss=\(loss): \(network.verdicts) verdicts, \(suspicions) suspicions in \(hours) h:",
            Double(network.verdicts) / hours, Double(suspicions) / hours)
        if loss < 0.05 { #expect(Double(suspicions) / hours < 1) }
    }

    @Test(arguments: [10, 50, 200]) func `what a node sends in a second`(count: Int) {
        let network = SimulatedNetwork(count, seed: 1)
        network.loss = 0.02
        network.run(for: .seconds(60))
        let start = (network.membershipBytes, network.eventBytes)
        network.run(for: .seconds(60))
        let each = Double(count * 60)
        print(
            "traffic n=\(count): membership \(Double(network.membershipBytes - start.0) / each) B/s,",
            terminator: " ")
        print("events \(Double(network.eventBytes - start.1) / each) B/s")
    }

    @Test(arguments: [10, 50, 200]) func `how long until halves that were apart see each other again`(
        count: Int
    ) {
        var times: [Double] = []
        for seed in 1...5 as ClosedRange<UInt64> {
            let network = SimulatedNetwork(count, seed: seed)
            network.run(for: .seconds(10))
            network.isCut = { SimulatedNetwork.place($0) % 2 != SimulatedNetwork.place($1) % 2 }
            network.run(for: .seconds(120))
            network.isCut = { _, _ in false }
            let took = network.run(atMost: .seconds(600)) { network.isWhole }
            times.append(Double(took?.milliseconds ?? 600_000) / 1000)
        }
        print("healing n=\(count): \(spread(times)) s")
    }

    @Test(arguments: [10, 50, 200], [0.0, 0.02, 0.3])
    func `in how many rounds an event reaches 99 percent`(count: Int, loss: Double) throws {
        var rounds: [Double] = []
        var hops: [Double] = []
        var bytes: [Double] = []
        var told: [Double] = []
        for seed in Self.seeds {
            let network = SimulatedNetwork(count, seed: seed)
            network.loss = loss
            network.run(for: .seconds(3))
            let before = network.eventBytes
            let id = try network.publish(0)
            let start = network.now
            network.run(for: .seconds(10))
            let times = network.delivered.filter { $0.event == id }.map { ($0.when - start).milliseconds }
                .sorted()
            let needed = (count * 99 + 99) / 100
            rounds.append(times.count >= needed ? Double(times[needed - 1]) / 200 : 1_000)
            hops.append(Double(network.nodes.compactMap { $0.events.event(id)?.hops }.max() ?? 0))
            bytes.append(Double(network.eventBytes - before) / Double(count))
            told.append(Double(network.nodes[0].events.coverage(of: id)?.reached.count ?? 0))
        }
        print(
            "event n=\(count) loss=\(loss): rounds \(spread(rounds)); hops \(spread(hops)); told origin",
            "\(spread(told.map { -$0 })); bytes a node in 10 s \(spread(bytes))")
        if loss < 0.1 { #expect(rounds.allSatisfy { $0 <= 10 }) }
    }
}
