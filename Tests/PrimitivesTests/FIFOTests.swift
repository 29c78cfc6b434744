import Primitives
import Testing

@Suite struct FIFOTests {
    @Test func `what comes first leaves first, however many wait`() {
        var line = FIFO<Int>()
        var (entered, left) = (0, 0)
        for round in 0..<200 {
            for _ in 0..<(round % 3 == 0 ? 300 : 20) {
                line.append(entered)
                entered += 1
            }
            for _ in 0..<100 where left < entered {
                let next = line.next()
                #expect(next == left)
                left += 1
            }
            #expect(line.count == entered - left)
            #expect(line.isEmpty == (entered == left))
        }
        while let next = line.next() {
            #expect(next == left)
            left += 1
        }
        #expect(left == entered && line.isEmpty)
    }
}
