// The identity file: a few lines that people can read, closed by a checksum that programs can.

import Primitives

/// The text of a data folder's identity file.
enum IdentityText {
    static let maximumBytes = 1024

    static func isValid(name: String) -> Bool {
        (1...255).contains(name.utf8.count) && name.utf8.allSatisfy { $0 >= 32 && $0 != 127 }
    }

    static func render(_ identity: FolderIdentity) -> [UInt8] {
        let text = """
            parley data folder
            format 1
            cluster \(identity.cluster)
            node \(identity.node)
            name \(identity.nodeName)
            group \(identity.group)
            salt \(hexadecimal(UInt64(identity.salt), digits: 8))

            """
        let checksum = CRC32C.checksum(Array(text.utf8))
        return Array((text + "checksum \(hexadecimal(UInt64(checksum), digits: 8))\n").utf8)
    }

    /// Reads what ``render(_:)`` wrote and refuses anything else.
    static func parse(_ bytes: [UInt8], file: String) throws(DataFolderError) -> FolderIdentity {
        guard bytes.count <= maximumBytes, let text = String(validating: bytes, as: UTF8.self) else {
            throw .damaged(file: file, reason: "it is not the text that was written")
        }
        let lines = text.split(separator: "\n", omittingEmptySubsequences: false)
        func value(_ line: Int, _ name: String) -> Substring? {
            guard line < lines.count, lines[line].hasPrefix(name + " ") else { return nil }
            return lines[line].dropFirst(name.count + 1)
        }
        guard lines.first == "parley data folder", let format = value(1, "format") else {
            throw .damaged(file: file, reason: "it is no identity file")
        }
        guard format == "1" else { throw .damaged(file: file, reason: "format \(format) is unknown here") }
        guard let cluster = value(2, "cluster").flatMap({ UInt64($0, radix: 16) }),
            let node = value(3, "node").flatMap({ UInt64($0) }), let name = value(4, "name"),
            let group = value(5, "group").flatMap({ UInt64($0) }),
            let salt = value(6, "salt").flatMap({ UInt32($0, radix: 16) })
        else { throw .damaged(file: file, reason: "a line is missing or malformed") }
        let identity = FolderIdentity(
            cluster: ClusterID(cluster), node: NodeID(node), nodeName: String(name), group: GroupID(group),
            salt: salt)
        guard isValid(name: identity.nodeName), render(identity) == bytes else {
            throw .damaged(file: file, reason: "its checksum is wrong")
        }
        return identity
    }
}
