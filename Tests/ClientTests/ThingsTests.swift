import Client
import Testing

@Suite struct ThingsTests {
    @Test func `a name is one segment of a path, whatever is in it`() {
        #expect(Call.path("/queues", "mail") == "/queues/mail")
        #expect(Call.path("/queues", "a/b c", "/ack") == "/queues/a%2Fb%20c/ack")
        #expect(Call.path("/barriers", ".") == "/barriers/%2E")
        #expect(Call.path("/barriers", "..", "/reset") == "/barriers/%2E%2E/reset")
    }
}
