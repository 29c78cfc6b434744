import API
import HTTP
import JSON
import Primitives
import Store
import Testing

/// The commands' times are 1 ms, 2 ms, … after 1970.
@Suite struct `Time travel` {
    private func instant(_ milliseconds: Int64) -> String { WallTime(milliseconds: milliseconds).rfc3339 }

    private var fixture: Fixture {
        var fixture = Fixture()
        fixture.put("a/x", "1")  // revision 2, 1 ms
        fixture.put("a/y", "1")  // 3, 2 ms
        fixture.put("a/x", "2")  // 4, 3 ms
        fixture.delete("a/y")  // 5, 4 ms
        fixture.put("a/z", "1")  // 6, 5 ms
        return fixture
    }

    @Test func `a key at an instant tells its revision and time`() throws {
        let response = try #require(try fixture.get("/kv/a/x?at=\(instant(2))"))
        #expect(response.status == 200)
        #expect(response.text == "1")
        #expect(response.fieldText("Parley-Revision") == "3")
        #expect(response.fieldText("Parley-Revision-Time") == instant(2))
        let absent = try #require(try fixture.get("/kv/a/y?at=\(instant(4))"))
        #expect(absent.code == "key_not_found")
        #expect(absent.fieldText("Parley-Revision") == "5")
    }

    @Test(arguments: [
        "1970-01-01T01:00:00.003%2B01:00", "1970-01-01T01:00:00.003+01:00", "1969-12-31t23:00:00.0039-01:00",
        "1970-01-01T00:00:00.003999Z",
    ])
    func `an instant may have an offset and any fraction`(text: String) throws {
        let response = try #require(try fixture.get("/kv/a/x?meta&at=\(text)"))
        #expect(response.json["revision"]?.integer == 4)
        #expect(response.fieldText("Parley-Revision-Time") == instant(3))
    }

    @Test(arguments: [
        "", "now", "1700000000", "1970-01-01", "1970-01-01T00:00:00", "1970-02-29T00:00:00Z",
        "1970-13-01T00:00:00Z", "1970-01-01T24:00:00Z", "1970-01-01T00:00:00.Z", "1970-01-01T00:00:00Zx",
        "1970-01-01T00:00:00+1:00",
    ])
    func `what is no instant is refused by name`(text: String) throws {
        let response = try #require(immediate(.get, "/kv/a?at=\(text)"))
        #expect(response.code == "bad_request")
        #expect(response.json["parameter"]?.string == "at")
    }

    @Test(arguments: ["rev=2", "after=2", "wait=1s"])
    func `at excludes other ways to choose a revision`(other: String) throws {
        for path in ["/kv/a", "/kv"] {
            let response = try #require(immediate(.get, "\(path)?at=\(instant(1))&\(other)"))
            #expect(response.code == "bad_request")
        }
    }

    @Test func `an instant in the future is refused and tells the time`() throws {
        let response = try #require(try fixture.get("/kv/a/x?at=\(instant(6))"))
        #expect(response.code == "future_revision")
        #expect(response.json["parameter"]?.string == "at")
        #expect(response.json["time"]?.string == instant(5))
    }

    @Test func `an instant that was compacted away is refused and tells the oldest one`() throws {
        var fixture = fixture
        fixture.apply(.compact(Revision(4)))
        let response = try #require(try fixture.get("/kv/a/x?at=\(instant(2))"))
        #expect(response.status == 410)
        #expect(response.code == "compacted")
        #expect(response.json["compact_revision"]?.integer == 4)
        let oldest = try #require(response.json["oldest_time"]?.string)
        #expect(try fixture.get("/kv/a/x?at=\(oldest)")?.status == 200)
    }

    @Test func `a list at an instant stays there from page to page`() throws {
        var fixture = fixture
        let first = try #require(try fixture.get("/kv?prefix=a/&limit=1&at=\(instant(3))"))
        #expect(first.json["revision"]?.integer == 4)
        #expect(first.fieldText("Link")?.contains("at=") == false)
        let next = try #require(first.json["next"]?.string)
        fixture.put("a/x2", "new")
        let second = try #require(try fixture.get("/kv?prefix=a/&limit=1&cursor=\(next)"))
        #expect(second.json["items"]?[0]?["key"]?.string == "a/y")
        #expect(second.json["revision"]?.integer == 4)
        #expect(
            immediate(.get, "/kv?prefix=a/&limit=1&cursor=\(next)&at=\(instant(3))")?.code == "bad_request")
    }

    @Test func `lines of an instant are streamed`() throws {
        let response = try #require(
            try fixture.get("/kv?prefix=a/&at=\(instant(2))", ["Accept": "application/x-ndjson"]))
        #expect(response.lines.map { $0["key"]?.string } == ["a/x", "a/y"])
        #expect(response.fieldText("Parley-Revision-Time") == instant(2))
    }

    @Test func `a history ends at an instant, over its pages`() throws {
        var fixture = fixture
        let all = try #require(try fixture.get("/kv/a/y?history"))
        #expect(all.json["items"]?.elements?.map { $0["type"]?.string } == ["put", "delete"])
        #expect(all.json["items"]?[1]?["time"]?.string == instant(4))
        let until = try #require(try fixture.get("/kv/a/y?history&at=\(instant(3))"))
        #expect(until.json["items"]?.elements?.count == 1)
        #expect(try fixture.get("/kv/a/y?history&rev=3")?.json["items"]?.elements?.count == 1)
        for number in 0..<3 { fixture.put("a/x", "\(number)") }
        let first = try #require(try fixture.get("/kv/a/x?history&limit=1&at=\(instant(5))"))
        let next = try #require(first.json["next"]?.string)
        let rest = try #require(try fixture.get("/kv/a/x?history&cursor=\(next)"))
        #expect(rest.json["items"]?.elements?.map { $0["revision"]?.integer } == [4])
    }

    @Test func `a history names the lease of a version and of a deletion`() throws {
        var fixture = Fixture()
        let put = try fixture.answer(.put, "/kv/k?ttl=30s", body: "v")
        let lease = try #require(put.json["lease"]?.string)
        _ = try fixture.answer(.delete, "/leases/\(lease)")
        let items = try #require(try fixture.get("/kv/k?history")?.json["items"]?.elements)
        #expect(items.map { $0["type"]?.string } == ["put", "delete"])
        #expect(items.first?["lease"]?.string == lease)
        #expect(items.last?["cause"]?.string == "lease:\(lease)")
    }

    // MARK: Differences

    @Test func `a difference tells old and new, by revisions or instants`() throws {
        let fixture = fixture
        for span in ["from=3&to=6", "from=\(instant(2))&to=\(instant(5))", "from=3"] {
            let response = try #require(try fixture.get("/diff?prefix=a/&\(span)"))
            let items = try #require(response.json["items"]?.elements)
            #expect(items.map { $0["key"]?.string } == ["a/x", "a/y", "a/z"])
            #expect(items.map { $0["type"]?.string } == ["changed", "deleted", "added"])
            #expect(items[0]["value"]?.string == "2")
            #expect(items[0]["old"]?["value"]?.string == "1")
            #expect(items[0]["old"]?["revision"]?.integer == 2)
            #expect(items[1]["value"] == nil)
            #expect(items[1]["revision"]?.integer == 5)
            #expect(items[2]["old"] == nil)
            #expect(response.json["from"]?.integer == 3)
            #expect(response.json["from_time"]?.string == instant(2))
            #expect(response.json["to"]?.integer == 6)
        }
    }

    @Test func `pages of a difference stay at their two revisions`() throws {
        var fixture = fixture
        let first = try #require(try fixture.get("/diff?prefix=a/&from=3&limit=1&keys"))
        #expect(first.json["items"]?[0]?["value"] == nil)
        let link = try #require(first.fieldText("Link"))
        #expect(!link.contains("from="))
        fixture.put("a/zz", "later")
        let next = try #require(first.json["next"]?.string)
        let rest = try #require(try fixture.get("/diff?prefix=a/&keys&cursor=\(next)"))
        #expect(rest.json["items"]?.elements?.map { $0["key"]?.string } == ["a/y", "a/z"])
        #expect(rest.json["to"]?.integer == 6)
        for wrong in ["prefix=b/&keys&cursor=\(next)", "prefix=a/&keys&from=3&cursor=\(next)", "cursor=x"] {
            #expect(immediate(.get, "/diff?\(wrong)")?.code == "bad_request")
        }
    }

    @Test(arguments: [
        ("prefix=a/", "bad_request"), ("from=6&to=3", "bad_request"), ("from=99", "future_revision"),
        ("from=2&to=99", "future_revision"), ("from=yesterday", "bad_request"), ("from=0", "bad_request"),
        ("from=2&too=3", "unknown_parameter"),
    ])
    func `a difference without sense is refused`(query: String, code: String) throws {
        let response = try immediate(.get, "/diff?\(query)") ?? fixture.get("/diff?\(query)")
        #expect(response?.code == code)
    }

    // MARK: Compaction

    @Test func `how much is kept can be changed in part and looked at`() throws {
        var fixture = fixture
        let changed = try fixture.answer(
            .patch, "/compaction?max_age=1h&min_revisions=5&max_revisions=1000&max_bytes=1048576")
        #expect(changed.status == 200)
        #expect(changed.json["history"]?["max_age_ms"]?.integer == 3_600_000)
        let later = try fixture.answer(.patch, "/compaction?max_revisions=2000")
        #expect(later.json["history"]?["min_revisions"]?.integer == 5)
        fixture.apply(.compact(Revision(4)))
        let shown = try #require(try fixture.get("/compaction"))
        #expect(shown.json["history"]?["max_revisions"]?.integer == 2000)
        #expect(shown.json["compact_revision"]?.integer == 4)
        // The change that made revision 4 was freed with the command.
        #expect(shown.json["oldest_time"]?.string == instant(4))
        #expect(shown.json["changes"]?.integer == 2)
    }

    @Test(arguments: [
        ("", "bad_request"), ("?max_age=soon", "bad_duration"), ("?max_age=100000h", "bad_duration"),
        ("?max_revisions=0", "bad_request"), ("?max_bytes=1", "bad_request"),
        ("?max_revision=5", "unknown_parameter"),
    ])
    func `a change that can't be is refused`(query: String, code: String) {
        #expect(immediate(.patch, "/compaction\(query)")?.code == code)
    }

    @Test func `to keep more at least than at most is refused`() throws {
        var fixture = fixture
        #expect(try fixture.answer(.patch, "/compaction?max_revisions=100").code == "invalid")
    }
}
