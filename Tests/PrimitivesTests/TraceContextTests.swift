import Primitives
import Testing

@Suite struct TraceContextTests {
    private func read(_ text: String, state: String = "") -> TraceContext? {
        TraceContext(traceparent: Array("x\(text)".utf8)[1...], state: state)
    }

    @Test func `a traceparent is read and written`() throws {
        let text = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
        let trace = try #require(read(text, state: "congo=t61rcWkgMzE"))
        #expect(trace.traceHigh == 0x4bf9_2f35_77b3_4da6 && trace.traceLow == 0xa3ce_929d_0e0e_4736)
        #expect(trace.span == 0x00f0_67aa_0ba9_02b7 && trace.isSampled)
        #expect(trace.state == "congo=t61rcWkgMzE")
        #expect(trace.traceparent == text)
        #expect(trace.traceID == "4bf92f3577b34da6a3ce929d0e0e4736" && trace.spanID == "00f067aa0ba902b7")
    }

    /// After the Recommendation's rules for versions, and for flags that are not known.
    @Test(arguments: [
        ("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00", "00"),
        ("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-ff", "01"),
        ("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-fe", "00"),
        ("01-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-09", "01"),
        ("cc-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01-what-the-future-will-be-like", "01"),
        ("fe-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01-", "01"),
    ]) func `what is not known of it is left`(_ text: String, _ flags: String) {
        #expect(
            read(text)?.traceparent == "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-\(flags)")
    }

    @Test(arguments: [
        "", "00", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331",
        "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-0",
        "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01-",
        "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-010",
        "00-0AF7651916CD43DD8448EB211C80319C-B7AD6B7169203331-01",
        "00-0af7651916cd43dd8448eb211c80319g-b7ad6b7169203331-01",
        "00-0af7651916cd43dd8448eb211c80319c-b7ad6b716920333.-01",
        "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-0x",
        "00-00000000000000000000000000000000-b7ad6b7169203331-01",
        "00-0af7651916cd43dd8448eb211c80319c-0000000000000000-01",
        "00_0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
        "00-0af7651916cd43dd8448eb211c80319c_b7ad6b7169203331-01",
        "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331_01",
        "ff-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
        "0.-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
        "01-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01.more",
        "01-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-0",
    ]) func `what is none is not taken for one`(_ text: String) { #expect(read(text) == nil) }

    @Test func `half of a trace id may be zero`() {
        for id in ["00000000000000000000000000000001", "00000000000000010000000000000000"] {
            #expect(read("00-\(id)-0000000000000001-00")?.traceID == id)
        }
    }

    @Test func `a state is printable and of 512 bytes at most`() {
        let longest = String(repeating: "a", count: 512)
        #expect(
            TraceContext.isState("") && TraceContext.isState("a=1,\tb=~ 2") && TraceContext.isState(longest))
        for state in [longest + "a", "a=\n", "a=\u{7f}", "a=ü", "\0"] {
            #expect(!TraceContext.isState(state))
            #expect(read("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00", state: state) == nil)
        }
    }

    @Test func `a hop has a span of its own in the same trace`() throws {
        let trace = try #require(
            read("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", state: "a=1"))
        #expect(trace.child(0xabc).traceparent == "00-0af7651916cd43dd8448eb211c80319c-0000000000000abc-01")
        #expect(trace.child(0xabc).state == "a=1")
        #expect(trace.child(0).span == 1)
        #expect(trace.child(trace.span) == trace && trace.child(1) != trace)
    }
}
