public import Primitives

extension Command {
    /// Puts another time into an encoded command, in place: the leader's, when a follower encoded it. What is
    /// too short to be a command stays as it is.
    public static func setTime(_ time: WallTime, in payload: inout [UInt8]) {
        guard payload.count >= 25 else { return }
        var rest = UInt64(bitPattern: time.milliseconds)
        for place in 17..<25 {
            payload[place] = UInt8(truncatingIfNeeded: rest)
            rest >>= 8
        }
    }
}
