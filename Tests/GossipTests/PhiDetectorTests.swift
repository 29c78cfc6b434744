import Foundation
import Primitives
import Testing

@testable import Gossip

@Suite struct PhiDetectorTests {
    private func at(_ seconds: Double) -> Instant { Instant(nanoseconds: Int64(seconds * 1e9)) }

    @Test func `phi grows with the silence, and follows the normal distribution`() throws {
        var detector = PhiDetector()
        #expect(detector.phi(at: at(1)) == nil && detector.verdict(at: at(1)) == .unknown)
        // Gaps of 0.5 and 1.5 seconds in turn: mean 1, deviation 0.5.
        var time = 0.0
        for step in 0..<41 {
            detector.hear(at: at(time))
            time += step % 2 == 0 ? 0.5 : 1.5
        }
        time -= 0.5
        for (late, expected) in [(1.0, 0.5), (1.5, 0.1587), (2.0, 0.02275), (2.5, 0.00135)] {
            let phi = try #require(detector.phi(at: at(time + late)))
            #expect(abs(phi + log10(expected)) < 0.05, "\(late) s: \(phi)")
        }
        #expect(detector.verdict(at: at(time + 1)) == .expected)
        #expect(detector.verdict(at: at(time + 3)) == .doubtful)
        #expect(detector.verdict(at: at(time + 10)) == .hopeless)
        #expect(try #require(detector.phi(at: at(time + 1e6))).isFinite)
    }

    @Test func `it forgets old habits`() throws {
        var detector = PhiDetector()
        for second in 0..<100 { detector.hear(at: at(Double(second))) }
        #expect(detector.verdict(at: at(109)) == .hopeless)
        for step in 0...100 { detector.hear(at: at(109 + 10 * Double(step))) }
        #expect(detector.verdict(at: at(1_119)) == .expected)
        let before = detector.phi(at: at(1_119))
        detector.hear(at: at(500))
        #expect(detector.phi(at: at(1_119)) == before, "an earlier instant tells nothing")
    }

    @Test func `logarithm and exponential are those of the C library`() {
        var random = SeededGenerator(seed: 1)
        for _ in 0..<2_000 {
            let value = Double(random.next(below: 1 << 40) + 1) / 65_536
            #expect(abs(naturalLogarithm(value) - log(value)) <= 1e-13 * max(1, abs(log(value))))
            let power = Double(random.next(below: 1 << 20)) / 1_000 - 500
            #expect(abs(exponential(power) - exp(power)) <= 1e-12 * exp(power))
        }
        #expect(exponential(-1e9) == 0 && exponential(1e9).isFinite && naturalLogarithm(1) == 0)
    }
}
