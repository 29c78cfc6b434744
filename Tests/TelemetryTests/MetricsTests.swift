import Telemetry
import Testing

private func text(_ metrics: Metrics, _ format: Metrics.Format) -> String {
    String(decoding: metrics.exposition(format), as: UTF8.self)
}

@Suite struct MetricsTests {
    private func example() -> Metrics {
        var metrics = Metrics()
        let requests = metrics.family(
            "parley_http_requests_total", .counter, help: "Requests answered.", labels: ["route", "status"])
        metrics.increment(metrics.counter(in: requests, ["/kv/{key}", "200"]), by: 3)
        metrics.increment(metrics.counter(in: requests, ["/kv/{key}", "404"]))
        metrics.set(metrics.gauge("parley_raft_term", help: "The term."), to: 7)
        let sync = metrics.histogram("parley_wal_fsync_seconds", help: "Syncs.", bounds: [0.001, 0.5, 1])
        for seconds in [0.0005, 0.001, 0.25, 2] { metrics.observe(seconds, in: sync) }
        return metrics
    }

    @Test func `Prometheus' text format 0.0.4 is exposed`() {
        #expect(
            text(example(), .prometheus) == """
                # HELP parley_http_requests_total Requests answered.
                # TYPE parley_http_requests_total counter
                parley_http_requests_total{route="/kv/{key}",status="200"} 3
                parley_http_requests_total{route="/kv/{key}",status="404"} 1
                # HELP parley_raft_term The term.
                # TYPE parley_raft_term gauge
                parley_raft_term 7
                # HELP parley_wal_fsync_seconds Syncs.
                # TYPE parley_wal_fsync_seconds histogram
                parley_wal_fsync_seconds_bucket{le="0.001"} 2
                parley_wal_fsync_seconds_bucket{le="0.5"} 3
                parley_wal_fsync_seconds_bucket{le="1"} 3
                parley_wal_fsync_seconds_bucket{le="+Inf"} 4
                parley_wal_fsync_seconds_sum 2.2515
                parley_wal_fsync_seconds_count 4

                """)
    }

    @Test func `OpenMetrics 1.0.0 names counters without their suffix, tells units and ends with EOF`() {
        #expect(
            text(example(), .openMetrics) == """
                # TYPE parley_http_requests counter
                # HELP parley_http_requests Requests answered.
                parley_http_requests_total{route="/kv/{key}",status="200"} 3
                parley_http_requests_total{route="/kv/{key}",status="404"} 1
                # TYPE parley_raft_term gauge
                # HELP parley_raft_term The term.
                parley_raft_term 7
                # TYPE parley_wal_fsync_seconds histogram
                # UNIT parley_wal_fsync_seconds seconds
                # HELP parley_wal_fsync_seconds Syncs.
                parley_wal_fsync_seconds_bucket{le="0.001"} 2
                parley_wal_fsync_seconds_bucket{le="0.5"} 3
                parley_wal_fsync_seconds_bucket{le="1.0"} 3
                parley_wal_fsync_seconds_bucket{le="+Inf"} 4
                parley_wal_fsync_seconds_sum 2.2515
                parley_wal_fsync_seconds_count 4
                # EOF

                """)
    }

    @Test func `hostile label values and help can neither end a line nor a label`() {
        var metrics = Metrics()
        let family = metrics.family("x", .gauge, help: "a\\b\n\"c\"", labels: ["l"])
        metrics.set(metrics.gauge(in: family, ["\"} 1\n# \\"]), to: -0.5)
        #expect(
            text(metrics, .prometheus)
                == "# HELP x a\\\\b\\n\"c\"\n# TYPE x gauge\nx{l=\"\\\"} 1\\n# \\\\\"} -0.5\n")
        #expect(text(metrics, .openMetrics).contains("# HELP x a\\\\b\\n\\\"c\\\"\n"))
    }

    @Test func `what is no number has the formats' words`() {
        var metrics = Metrics()
        let gauge = metrics.gauge("x", help: "")
        for (value, words) in [
            (Double.nan, "NaN"), (.infinity, "+Inf"), (-.infinity, "-Inf"), (0.1, "0.1"), (1e20, "1e+20"),
            (-3, "-3"),
        ] {
            metrics.set(gauge, to: value)
            #expect(text(metrics, .prometheus).hasSuffix("\nx \(words)\n"))
        }
    }

    @Test func `the same labels are the same series and handles stay good as series are added`() {
        var metrics = Metrics()
        let family = metrics.family("x", .counter, help: "", labels: ["l"])
        let a = metrics.counter(in: family, ["a"])
        for place in 0..<100 { metrics.increment(metrics.counter(in: family, ["\(place)"])) }
        metrics.increment(a, by: 5)
        #expect(metrics.counter(in: family, ["a"]) == a)
        #expect(metrics.value(of: a) == 5)
    }

    @Test func `labels beyond the limit are counted together`() {
        var metrics = Metrics()
        let family = metrics.family("x", .counter, help: "", labels: ["l"])
        for place in 0..<(2 * Metrics.seriesLimit) {
            metrics.increment(metrics.counter(in: family, ["\(place)"]))
        }
        let lines = text(metrics, .prometheus).split(separator: "\n")
        #expect(lines.count == Metrics.seriesLimit + 2)
        #expect(lines.last == "x_total{l=\"other\"} 1001")
    }

    @Test func `an observation on a bound belongs to the bucket below it`() {
        var metrics = Metrics()
        let family = metrics.family("x", .histogram(bounds: [1, 2]), help: "", labels: ["l"])
        let a = metrics.histogram(in: family, ["a"])
        let b = metrics.histogram(in: family, ["b"])
        for value in [1, 1.5, 2, 2.5] { metrics.observe(value, in: b) }
        #expect(metrics.count(of: a) == 0)
        #expect(metrics.count(of: b) == 4)
        let lines = text(metrics, .prometheus)
        #expect(lines.contains("x_bucket{l=\"b\",le=\"1\"} 1\nx_bucket{l=\"b\",le=\"2\"} 3\n"))
        #expect(lines.contains("x_bucket{l=\"a\",le=\"+Inf\"} 0\n"))
    }

    @Test(
        arguments: [
            (nil, false), ("*/*", false), ("text/plain", false), ("application/openmetrics-text", true),
            (
                "application/openmetrics-text;version=1.0.0;q=0.5, text/plain;version=0.0.4;q=0.3,*/*;q=0.1",
                true
            ),
            ("Application/OpenMetrics-Text; version=1.0.0", true),
            ("application/openmetrics-text;q=0", false),
            ("text/application/openmetrics-text", false),
        ] as [(String?, Bool)])
    func `OpenMetrics is for those who ask for it`(accept: String?, expected: Bool) {
        let format = Metrics.Format(accept: accept)
        #expect((format == .openMetrics) == expected)
    }

    @Test func `a name that Prometheus would refuse stops the process`() async {
        await #expect(processExitsWith: .failure) {
            var metrics = Metrics()
            _ = metrics.gauge("1x", help: "")
        }
        await #expect(processExitsWith: .failure) {
            var metrics = Metrics()
            _ = metrics.gauge("x", help: "")
            _ = metrics.counter("x_total", help: "")
        }
    }
}
