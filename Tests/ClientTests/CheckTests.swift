import Client
import Histories
import JSON
import Platform
import Primitives
import Testing

@testable import parley

private typealias Action = HistoryOperation.Action
private typealias Outcome = HistoryOperation.Outcome

private func bytes(_ text: String) -> [UInt8] { Array(text.utf8) }

/// What is recorded of an answer with this status, body and fields.
private func judge(
    _ action: Action, _ status: Int, _ body: String = "", _ fields: (name: String, value: String)...
) -> Outcome {
    let answer = Answer(status: status, fields: fields, body: bytes(body), endpoint: Endpoint("a:1")!)
    return CheckOutcome.judge(.answered(answer), action).outcome
}

@Suite struct CheckWireTests {
    private static let put = Action.put(bytes("p/k"), value: bytes("v"))
    private static let guarded = Action.put(bytes("p/k"), value: bytes("v"), if: .revision(Revision(3)))
    private static let get = Action.get(bytes("p/k"))

    @Test func `actions become requests`() {
        func request(_ action: Action) -> String {
            let call = action.call(timeout: .seconds(2))
            let fields = call.fields.map { "\($0.name): \($0.value)" }.filter {
                !$0.hasPrefix("Content-Type")
            }
            return ([call.method, call.target] + fields).joined(separator: " ")
        }
        let key = bytes("p/k")
        #expect(request(Self.put) == "PUT /kv/p/k?timeout=2000ms")
        #expect(Self.put.call(timeout: .seconds(2)).body == bytes("v"))
        #expect(request(Self.guarded) == "PUT /kv/p/k?timeout=2000ms If-Match: \"3\"")
        #expect(request(.put(key, value: [], if: .absent)) == "PUT /kv/p/k?timeout=2000ms If-None-Match: *")
        #expect(request(.put(key, value: [], if: .exists)) == "PUT /kv/p/k?timeout=2000ms If-Match: *")
        #expect(request(Self.get) == "GET /kv/p/k?timeout=2000ms")
        #expect(request(.get(key, .stale)) == "GET /kv/p/k?consistency=stale&timeout=2000ms")
        #expect(request(.get(key, .at(Revision(7)))) == "GET /kv/p/k?rev=7&timeout=2000ms")
        #expect(request(.list(.prefix(bytes("p/")))) == "GET /kv?prefix=p%2F&limit=10000&timeout=2000ms")
        #expect(request(.delete(key, mustExist: true)) == "DELETE /kv/p/k?must_exist=true&timeout=2000ms")
        #expect(request(.delete(key, if: .revision(Revision(3)))).hasSuffix("If-Match: \"3\""))
        #expect(request(.increment(key, by: -2)) == "POST /kv/p/k?op=incr&by=-2&timeout=2000ms")
    }

    @Test func `what the store decided is recorded with all that it told`() {
        let stored = #"{"key":"p/k","revision":5,"create_revision":4,"version":2}"#
        #expect(
            judge(Self.put, 200, stored)
                == .ok(.written(revision: Revision(5), createRevision: Revision(4), version: 2)))
        #expect(
            judge(Self.guarded, 412, #"{"code":"precondition_failed","applied":"no","current_revision":9}"#)
                == .ok(.refused(.condition(.revision(Revision(9))))))
        #expect(
            judge(Self.guarded, 412, #"{"code":"precondition_failed","applied":"no"}"#)
                == .ok(.refused(.condition(.absent))))
        let seen = HistoryOperation.Sighting(
            value: bytes("v"), revision: Revision(5), createRevision: Revision(4), version: 2)
        #expect(
            judge(
                Self.get, 200, "v", ("etag", "\"5\""), ("parley-create-revision", "4"),
                ("parley-key-version", "2"), ("parley-revision", "8"))
                == .ok(.found(seen), at: Revision(8)))
        #expect(
            judge(Self.get, 404, #"{"code":"key_not_found"}"#, ("parley-revision", "8"))
                == .ok(.absent, at: Revision(8)))
        let row = #"{"key":"p/k","value":"v","revision":5,"create_revision":4,"version":2}"#
        #expect(
            judge(.list(.prefix(bytes("p/"))), 200, #"{"revision":8,"count":1,"items":["# + row + "]}")
                == .ok(.items([.init(key: bytes("p/k"), seen)]), at: Revision(8)))
        let delete = Action.delete(bytes("p/k"), mustExist: true)
        #expect(judge(delete, 200, #"{"deleted":1,"revision":9}"#) == .ok(.deleted(1, revision: Revision(9))))
        #expect(judge(delete, 200, #"{"deleted":0,"revision":9}"#) == .ok(.deleted(0), at: Revision(9)))
        #expect(judge(delete, 404, #"{"code":"key_not_found","applied":"no"}"#) == .ok(.refused(.notFound)))
        let increment = Action.increment(bytes("p/n"), by: 2)
        #expect(
            judge(increment, 200, #"{"value":"-7","revision":9,"version":3}"#)
                == .ok(.incremented(-7, revision: Revision(9), version: 3)))
        #expect(
            judge(increment, 422, #"{"code":"invalid","applied":"no"}"#) == .ok(.refused(.notAnInteger)))
    }

    @Test func `a label decides whether a problem leaves the outcome open`() {
        for action in [Self.put, Self.get] {
            #expect(
                judge(action, 503, #"{"code":"no_leader","applied":"no"}"#) == .failed("no_leader"))
            #expect(
                judge(action, 504, #"{"code":"outcome_unknown","applied":"unknown"}"#)
                    == .unknown("outcome_unknown"))
            #expect(judge(action, 503, "<html>") == .unknown("status 503"))
        }
        #expect(judge(Self.put, 400, #"{"code":"bad_key","applied":"no"}"#) == .failed("bad_key"))
        #expect(judge(Self.put, 307, "") == .unknown("status 307"))
        // Codes of the store's decisions that do not fit what was asked are not taken for decisions.
        #expect(
            judge(Self.put, 412, #"{"code":"precondition_failed","applied":"no"}"#)
                == .failed("precondition_failed"))
        #expect(judge(Self.put, 404, "not found") == .unknown("status 404"))
    }

    @Test func `an answer that makes no sense leaves the outcome open`() {
        for body in ["", "{}", #"{"revision":5}"#, #"{"revision":5,"create_revision":4,"version":2"#] {
            guard case .unknown(let reason) = judge(Self.put, 200, body) else {
                Issue.record("\(body) was understood")
                continue
            }
            #expect(reason.contains("makes no sense"))
        }
        guard case .unknown = judge(Self.get, 200, "v", ("etag", "\"5\"")) else {
            Issue.record("a value without its revisions was understood")
            return
        }
        guard case .unknown = judge(.delete(bytes("k")), 200, #"{"deleted":2,"revision":5}"#) else {
            Issue.record("two keys deleted of one")
            return
        }
    }

    @Test func `without an answer only what never left is certain`() {
        let refused = CheckOutcome.judge(
            .failed(reason: "connection refused", mayHaveArrived: false), Self.put)
        #expect(refused.outcome == .failed("connection refused"))
        #expect(refused.cause == "not reached")
        let lost = CheckOutcome.judge(.failed(reason: "timed out", mayHaveArrived: true), Self.put)
        #expect(lost.outcome == .unknown("timed out"))
        #expect(lost.cause == "no answer")
    }
}

@Suite struct CheckMixTests {
    private func client(_ number: Int = 0, seed: UInt64 = 5, keys: Int = 8, reads: Int = 50) -> CheckClient {
        CheckClient(
            number: number, keys: CheckKeys(prefix: "p/", count: keys),
            mix: CheckMix(reads: reads, stale: 20), seed: seed)
    }

    @Test func `the same seed draws the same, and each client its own`() {
        func draw(_ number: Int, _ seed: UInt64) -> [Action] {
            var client = client(number, seed: seed)
            return (0..<200).map { client.next(at: $0) }
        }
        #expect(draw(1, 5) == draw(1, 5))
        #expect(draw(1, 5) != draw(2, 5))
        #expect(draw(1, 5) != draw(1, 6))
    }

    @Test func `every kind of operation is drawn in its share`() {
        var client = client()
        var counts: [String: Int] = [:]
        var values: Set<[UInt8]> = []
        for number in 0..<4000 {
            let action = client.next(at: number)
            let key: String
            switch action {
            case .get(_, .stale), .list(_, .stale): key = "stale"
            case .get(_, .at): key = "past"
            case .get: key = "get"
            case .list: key = "list"
            case .put(_, let value, let condition):
                key = condition == nil ? "put" : "guarded put"
                #expect(values.insert(value).inserted, "a value comes twice")
            case .delete: key = "delete"
            case .increment: key = "increment"
            case .deleteRange, .batch, .transaction: key = "odd"
            }
            counts[key, default: 0] += 1
            // As if the cluster had answered every read.
            if case .get(_, .linearizable) = action {
                client.learn(action, .ok(.found(.init(revision: Revision(UInt64(number) + 2)))))
            }
        }
        let reads = ["get", "stale", "past", "list"].reduce(0) { $0 + (counts[$1] ?? 0) }
        #expect((1900...2100).contains(reads))
        #expect((300...500).contains(counts["stale"] ?? 0))
        for key in ["past", "list", "delete", "increment"] { #expect(counts[key] ?? 0 > 60, "\(key)") }
        #expect((counts["put"] ?? 0) > 500 && (counts["guarded put"] ?? 0) > 400)
        #expect(counts["odd"] == nil)
    }

    @Test func `conditions are made of what the cluster told`() {
        var client = client(reads: 0)
        func conditions() -> Set<UInt64> {
            var found: Set<UInt64> = []
            for _ in 0..<300 {
                switch client.next(at: 0) {
                case .put(_, _, .revision(let revision)?), .delete(_, .revision(let revision)?, _):
                    found.insert(revision.rawValue)
                default: break
                }
            }
            return found
        }
        #expect(conditions() == [])
        let key = CheckKeys(prefix: "p/", count: 8).keys(0)[1]
        client.learn(.get(key), .ok(.found(.init(revision: Revision(12)))))
        #expect(conditions() == [12])
        client.learn(
            .put(key, value: [], if: .exists), .ok(.refused(.condition(.revision(Revision(13))))))
        #expect(conditions() == [13])
        client.learn(.put(key, value: []), .unknown(""))
        #expect(conditions() == [13])
        client.learn(.delete(key), .ok(.deleted(1, revision: Revision(14))))
        #expect(conditions() == [])
    }

    @Test func `keys are given up before their history is long`() {
        let keys = CheckKeys(prefix: "p/", count: 8)
        #expect(keys.keys(0).map { String(decoding: $0, as: UTF8.self) }.prefix(2) == ["p/0/k0", "p/0/k1"])
        #expect(keys.keys(0).last == bytes("p/0/n7"))
        #expect(keys.generation(at: 3999) == 0 && keys.generation(at: 4000) == 1)
        var client = client()
        let early = client.next(at: 0)
        let late = client.next(at: 4000)
        #expect("\(early)" != "\(late)")
        var one = self.client(keys: 1)
        for number in 0..<200 { _ = one.next(at: number) }
    }

    @Test func `some clients stay with one endpoint, the others go everywhere`() {
        var (sticky, roaming) = (client(3), client(1))
        #expect(Set((0..<50).map { _ in sticky.endpoint(of: 3) }) == [1])
        #expect(Set((0..<50).map { _ in roaming.endpoint(of: 3) }) == [0, 1, 2])
    }
}

@Suite struct CheckRecordTests {
    @Test func `what is begun after the end, or ends after the history was taken, is left out`() throws {
        let record = try CheckRecord(clients: 2, endpoints: ["a", "b"], limit: 3, isExclusive: true)
        let get = Action.get(bytes("k"))
        var begun: [CheckRecord.Begun] = []
        for process in 0..<4 {
            if let one = record.begin(process: process, endpoint: 1, { _ in get }) { begun.append(one) }
        }
        #expect(begun.count == 3, "the limit")
        let lost = CheckOutcome.judge(.failed(reason: "timed out", mayHaveArrived: true), get)
        record.finish(begun[0], lost, at: 1)
        #expect(record.newProcess() == 2)
        let history = record.take()
        record.finish(begun[1], lost, at: 1)
        #expect(record.take() == history)
        #expect(history.isExclusive)
        #expect(history.operations.map(\.node) == ["b", "b", "b"])
        #expect(history.operations.map { $0.returned != nil } == [true, false, false])
        #expect(record.tally.unknown == ["no answer": 1])
        #expect(CheckTally.words(["a": 1, "c": 5, "b": 5]) == "b 5, c 5, a 1")
    }

    @Test func `a report for programs names the operations of the evidence`() throws {
        let lie = History([
            HistoryOperation(
                id: 4, client: 0, action: .put(bytes("k"), value: bytes("x")), invoked: 1, returned: 2,
                outcome: .failed("no_leader")),
            HistoryOperation(
                id: 5, client: 1, action: .get(bytes("k")), invoked: 3, returned: 4,
                outcome: .ok(.found(.init(value: bytes("x"))))),
        ])
        let report = CheckReport(history: lie, judgement: judge(lie), time: .milliseconds(3), file: "f")
        let json = try JSONValue(parsing: report.json)
        #expect(json["verdict"]?.string == "violation")
        #expect(json["operations"]?.integer == 2 && json["refused"]?.integer == 1)
        #expect(json["counterexample"]?["kind"]?.string == "label")
        #expect(json["counterexample"]?["culprit"]?.integer == 4)
        #expect(json["counterexample"]?["operations"]?.elements?.compactMap(\.integer) == [4, 5])
        #expect(report.text.contains("verdict: violation"))
        #expect(report.text.contains("4 put k = \"x\""))
    }
}
