/// What `parley dev` says once its cluster works.
enum DevText {
    static func welcome(_ plan: DevPlan, leader: String, pids: [Int32]) -> String {
        var rows: [[String]] = []
        for (node, pid) in zip(plan.nodes, pids) {
            rows.append(["  \(node.name)", node.url, "process \(pid)", node.name == leader ? "leads" : ""])
        }
        let first = plan.nodes[0].url
        let last = plan.nodes[plan.nodes.count - 1].url
        let other = plan.nodes.first { $0.name != leader }?.name ?? leader
        let size = plan.nodes.count == 1 ? "A node runs" : "\(plan.nodes.count) nodes run"
        return """

            \(size) on this machine; the data in \(plan.folder) are kept between runs.

            \(Terminal.table(rows))
            Try, in another terminal:
              curl -X PUT \(first)/kv/greeting -d hello
              curl \(last)/kv/greeting
              curl '\(first)/kv?prefix=&keys'
              curl \(first)/leader
              curl '\(last)/members?pretty'
              curl -X POST '\(first)/leader/transfer?to=\(other)'

            Ctrl-C stops the nodes. Until then, what happens:
            """
    }
}
