import Histories
import Testing

/// A history whose verdict is known because of how it was made.
struct KnownHistory: CustomTestStringConvertible {
    var name: String
    var isGood: Bool
    var line: String
    var isExclusive = false

    var testDescription: String { "\(name): \(line)" }
    var history: History { HistoryLine.history(line, isExclusive: isExclusive) }

    init(_ name: String, _ isGood: Bool, _ line: String, isExclusive: Bool = false) {
        self.name = name
        self.isGood = isGood
        self.line = line
        self.isExclusive = isExclusive
    }
}

/// Histories small enough to be judged by eye; brute force judges them, too.
let smallHistories: [KnownHistory] = [
    KnownHistory("read after write", true, "put a=1 r2; get a=1 r2 @2"),
    KnownHistory("read after write", true, "put a=1; get a=1"),
    KnownHistory("stale read", false, "put a=1 r2; get a=- @1"),
    KnownHistory("stale read", false, "put a=1; get a=-"),
    KnownHistory("stale read", false, "put a=1; put a=2; get a=1"),
    KnownHistory("stale read", false, "put a=1 r2; put a=2 r3; get a=1 r2 @2"),
    KnownHistory("stale read", true, "put a=1 r2; put a=2 r3; old a=1 r2 @2"),
    KnownHistory("stale read", true, "put a=1 r2; put a=2 r3; at2 a=1 r2 @2"),
    KnownHistory("stale read", false, "put a=1 r2; put a=2 r3; at3 a=1 r2 @3"),
    KnownHistory("stale read", false, "put a=1 r2; put a=2 r3; old a=2 r3 @2"),
    KnownHistory("stale read", false, "put a=1 r2; put a=2 r3; old a=3 r3 @3"),
    KnownHistory("stale read", false, "old a=1 r2 @2; put a=1 r2"),
    KnownHistory("overlap", true, "put a=1 r2; & get a=- @1"),
    KnownHistory("overlap", true, "put a=1 r2; & get a=1 r2 @2"),
    KnownHistory("overlap", true, "_ put a=1; get a=-; get a=1"),
    KnownHistory("overlap", false, "_ put a=1; get a=1; get a=-"),
    KnownHistory("two orders", false, "_ put a=1; _ put a=2; get a=1; get a=2; get a=1"),
    KnownHistory("two orders", true, "_ put a=1; _ put a=2; _ put a=1; get a=1; get a=2; get a=1"),
    KnownHistory("never written", false, "get a=1"),
    KnownHistory("never written", false, "put a=1 r2; get a=9 r2 @2"),
    KnownHistory("never written", false, "put a=1; put a=2 lost; get a=3"),
    KnownHistory("dirty read", false, "put a=1 r2; put a=9 no; get a=9 r3 @3"),
    KnownHistory("dirty read", false, "put a=9 no; get a=9"),
    KnownHistory("dirty read", true, "put a=9 lost; get a=9"),
    KnownHistory("label", false, "put a=1 r2; del a no; get a=- @3"),
    KnownHistory("label", false, "add n=1 r2; add n=2 no; add n=3 r4"),
    KnownHistory("label", false, "put a=1 r2; put b=1 no; put c=1 r4", isExclusive: true),
    KnownHistory("label", true, "put a=1 r2; put b=1 no; put c=1 r3", isExclusive: true),
    KnownHistory("label", true, "put a=9 no; get a=- @1"),
    KnownHistory("unknown", true, "put a=9 lost; get a=-; put a=1; get a=9"),
    KnownHistory("unknown", true, "put a=9 lost; put a=1 r2; get a=9 r3 @3"),
    KnownHistory("unknown", true, "put a=9 lost; put a=1 r2; get a=1 r2 @9"),
    KnownHistory("unknown", false, "put a=9 lost; put a=1; get a=9; put a=2; get a=9"),
    KnownHistory("unknown", false, "put a=9 lost; put a=1 r2; get a=9 r3 @3; get a=1 r4 @4"),
    KnownHistory("unknown", false, "get a=9 r2 @2; put a=9 lost"),
    KnownHistory("unknown", false, "put a=1 r2 v1; put a=9 lost; put a=2 r3 v3"),
    KnownHistory("unknown", true, "put a=1 r2 v1; put a=9 lost; put a=2 r4 v3"),
    KnownHistory("unknown", false, "put a=9 lost; put b=9 lost; get a=9 r2 @2; get b=9 r2 @2"),
    KnownHistory("unknown", true, "batch a=9,b=9 lost; get a=9 r2 @2; get b=9 r2 @2"),
    KnownHistory("unknown", false, "batch a=9,b=9 lost; get a=9 r2 @2; get b=- @2"),
    KnownHistory("unknown", true, "del a lost; put a=1 r2; get a=- @3"),
    KnownHistory("unknown", false, "del a lost; put a=1 r2; get a=- @2"),
    KnownHistory("unknown", false, "put a=1 r2; put a=9 if:r5 lost; get a=9 @7"),
    KnownHistory("unknown", true, "put a=1 r5; put a=9 if:r5 lost; get a=9 @7"),
    KnownHistory("lost update", false, "put a=1 r2; put a=2 if:r2 r3; put a=3 if:r2 r4"),
    KnownHistory("lost update", true, "put a=1 r2; put a=2 if:r2 r3; put a=3 if:r2 refused:r3"),
    KnownHistory("lost update", false, "put a=1; put a=2 if:=1; put a=3 if:=1"),
    KnownHistory("lost update", false, "add n=1; add n=1"),
    KnownHistory("two creators", false, "put a=1 if:absent r2; & put a=2 if:absent r3"),
    KnownHistory("two creators", true, "put a=1 if:absent r2; & put a=2 if:absent refused:r2"),
    KnownHistory("two creators", true, "put a=1 if:absent r2; del a r3; put a=2 if:absent r4"),
    KnownHistory("refusal", false, "put a=1 r2; put a=2 if:r2 refused:r2"),
    KnownHistory("refusal", false, "put a=1 r2; put a=2 if:exists refused:-"),
    KnownHistory("refusal", false, "put a=1 r2; put a=2 if:absent refused:r3"),
    KnownHistory("refusal", false, "put a=2 if:absent refused"),
    KnownHistory("revision reuse", false, "put a=1 r2; & put b=1 r2"),
    KnownHistory("revision reuse", true, "batch a=1,b=1 r2; get a=1 r2 @2; get b=1 r2 @2"),
    KnownHistory("revision order", false, "put a=1 r5; put b=1 r4"),
    KnownHistory("revision order", false, "get z=- @7; put b=1 r4"),
    KnownHistory("revision order", true, "put a=1 r5; & put b=1 r4"),
    KnownHistory("revision order", false, "put a=1 r5; get b=- @4"),
    KnownHistory("revision skip", false, "put a=1 r2; put b=1 r4", isExclusive: true),
    KnownHistory("revision skip", true, "put a=1 r2; put b=1 r4"),
    KnownHistory("revision skip", true, "put a=1 r2; del a lost; put b=1 r4", isExclusive: true),
    KnownHistory("revision skip", false, "del a lost; & put a=1 r2; put b=1 r5", isExclusive: true),
    KnownHistory("revision skip", false, "put a=1 r2; del c lost; put b=1 r4", isExclusive: true),
    KnownHistory("revision skip", false, "put a=1 r2; get a=1 r2 @3", isExclusive: true),
    KnownHistory("version skip", false, "put a=1 r2 v1; put a=2 r3 v3"),
    KnownHistory("version skip", false, "put a=1 r2; del a r3; put a=2 r4 v2"),
    KnownHistory("creation", false, "put a=1 r2 c2; put a=2 r3 c3"),
    KnownHistory("creation", true, "put a=1 r2 c2; del a r3; put a=2 r4 c4 v1"),
    KnownHistory("resurrected", false, "put a=1 r2; del a r3; get a=1 r2 @4"),
    KnownHistory("resurrected", false, "put a=1; del a; get a=1"),
    KnownHistory("resurrected", false, "put a=1 r2; clear - n1 r3; get a=1 @4"),
    KnownHistory("deleted twice", false, "put a=1 r2; del a r3; del a r4"),
    KnownHistory("deleted twice", true, "put a=1 r2; del a r3; del a n0 @3"),
    KnownHistory("count", false, "put a=1 r2; put b=1 r3; clear - n1 r4"),
    KnownHistory("count", true, "put a=1 r2; put b=1 r3; clear - n2 r4"),
    KnownHistory("cut list", false, "batch a=1,b=1 r2; list a=1 @2"),
    KnownHistory("cut list", false, "put a=1 r2; put b=1 r3; list b=1 @3"),
    KnownHistory("cut list", false, "_ put a=1 r3; _ put b=1 r2; list a=1 @3"),
    KnownHistory("cut list", true, "_ put a=1 r3; _ put b=1 r2; list b=1 @2"),
    KnownHistory("cut list", false, "_ put a=1; _ put b=1; list a=1; list b=1"),
    KnownHistory("spared", true, "put a=1 r2; create a=x,b=2 r3; list a=1,b=2 @3"),
    KnownHistory("spared", false, "put a=1 r2; create a=2,b=2 r3"),
    KnownHistory("across keys", false, "put a=1 r2; _ put a=2 r4; put b=1 if:=0 refused; get a=2; get a=1"),
    KnownHistory(
        "floating", false, "_ put a=1 r2; _ put b=1 r3; put b=2 if:absent refused; put a=2 if:exists refused"),
    KnownHistory(
        "floating", true, "_ put a=1 r2; _ put b=1 r3; put a=2 if:exists refused; put b=2 if:absent refused"),
]

/// Histories of any length, made to be good or bad; the parameter is how much there is of the matter.
let families: [(name: String, make: @Sendable (Int, Bool) -> String)] = [
    (
        "a read sees an old value",
        { n, isGood in chain(n + 1) + "get a=\(isGood ? n + 1 : n) @\(n + 2)" }
    ),
    (
        "an old value comes back after a newer one was read",
        { n, isGood in
            "_ put a=old r\(n + 2); " + chain(n) + "get a=old r\(n + 2) @\(n + 2); "
                + (isGood ? "get a=old r\(n + 2) @\(n + 9)" : "get a=\(n) @\(n + 9)")
        }
    ),
    (
        "one of many conditional writes on one revision succeeds",
        { n, isGood in
            "put a=0 r2; put a=1 if:r2 r3; "
                + text(n) { isGood || $0 > 1 ? "put a=x\($0) if:r2 refused:r3" : "put a=x if:r2 r4" }
        }
    ),
    (
        "of many creators one succeeds",
        { n, isGood in
            "put a=0 if:absent r2; " + text(n) { "& put a=\($0) if:absent refused:r2" }
                + (isGood ? "" : "put a=9 if:absent r3")
        }
    ),
    (
        "a value is read that only a refused request could have written",
        { n, isGood in chain(n) + "put a=x no; get a=\(isGood ? "\(n)" : "x") @\(n + 9)" }
    ),
    (
        "a value is read that nobody wrote",
        { n, isGood in chain(n) + "get a=\(isGood ? "\(n)" : "x")" }
    ),
    (
        "an unknown write takes effect late, but not twice",
        { n, isGood in
            "put a=u lost; " + chain(n) + "get a=u @\(n + 2); put a=z r\(n + 3); "
                + (isGood ? "get a=z @\(n + 3)" : "get a=u @\(n + 4)")
        }
    ),
    (
        "each unknown write takes effect once",
        { n, isGood in
            text(n) { _ in "put a=u lost" } + text(isGood ? n : n + 1) { "put a=\($0); get a=u" }
        }
    ),
    (
        "each unknown increment counts once",
        { n, isGood in text(n) { _ in "add n=0 lost" } + "add n=\(isGood ? n + 1 : n + 2) r\(n + 5)" }
    ),
    (
        "a revision is given once",
        { n, isGood in chain(n) + "& put b=1 r\(isGood ? n + 2 : n + 1)" }
    ),
    (
        "revisions go up with time",
        { n, isGood in chain(n) + "put b=1 r\(isGood ? n + 3 : n + 1)" }
    ),
    (
        "versions go up one by one",
        { n, isGood in
            text(n) { "put a=\($0) r\($0 + 1) v\($0)" } + "put a=x r\(n + 9) v\(isGood ? n + 1 : n + 2)"
        }
    ),
    (
        "what is deleted stays so",
        { n, isGood in chain(n) + "del a r\(n + 2); get a=\(isGood ? "-" : "\(n)") @\(n + 2)" }
    ),
    (
        "a list shows one revision",
        { n, isGood in
            text(n) { "batch a=\($0),b=\($0) r\($0 + 1)" } + "list a=\(n),b=\(isGood ? n : n - 1) @\(n + 1)"
        }
    ),
    (
        "free revisions are enough for the unknown writes",
        { n, isGood in
            "put a=0 r2 v1; " + text(n) { "put a=u\($0) lost" }
                + "put a=x r\(isGood ? n + 3 : n + 2) v\(n + 2)"
        }
    ),
]

/// Writes of the values 1 to n at the revisions from 2 on.
private func chain(_ count: Int) -> String { text(count) { "put a=\($0) r\($0 + 1)" } }

private func text(_ count: Int, _ step: (Int) -> String) -> String {
    count < 1 ? "" : (1...count).map { step($0) + "; " }.joined()
}
