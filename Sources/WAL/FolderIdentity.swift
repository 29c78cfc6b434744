public import Primitives

/// Whose files these are: stamped on the data folder and on every segment of the log.
public struct FolderIdentity: Sendable, Equatable {
    /// The cluster.
    public var cluster: ClusterID
    /// The node.
    public var node: NodeID
    /// The node's name; not empty, one line.
    public var nodeName: String
    /// The consensus group.
    public var group: GroupID
    /// A random number that clients never learn, so that no payload can pose as a record of the log.
    public var salt: UInt32

    /// Makes the identity with these parts.
    public init(cluster: ClusterID, node: NodeID, nodeName: String, group: GroupID, salt: UInt32) {
        self.cluster = cluster
        self.node = node
        self.nodeName = nodeName
        self.group = group
        self.salt = salt
    }
}
