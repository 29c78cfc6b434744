// swift-tools-version: 6.2
import PackageDescription

// Imports point only downwards; the layers, from the vocabulary up, are explained in
// Sources/parley/parley.docc. Checked by `--explicit-target-dependency-import-check error`.

/// Settings of every target.
let common: [SwiftSetting] = [
    .enableUpcomingFeature("ExistentialAny"),
    .enableUpcomingFeature("InternalImportsByDefault"),
    .enableUpcomingFeature("MemberImportVisibility"),
    .treatAllWarnings(as: .error),
]

/// Settings of targets that do no I/O: whatever is unsafe must say so.
let pure: [SwiftSetting] = common + [.strictMemorySafety()]

let log = Target.Dependency.product(name: "Logging", package: "swift-log")
let arguments = Target.Dependency.product(name: "ArgumentParser", package: "swift-argument-parser")

let package = Package(
    name: "parley",
    products: [.executable(name: "parley", targets: ["parley"])],
    dependencies: [
        .package(url: "https://github.com/apple/swift-argument-parser", from: "1.8.2"),
        .package(url: "https://github.com/apple/swift-log", from: "1.16.2"),
    ],
    targets: [
        // Vocabulary
        .target(name: "Primitives", dependencies: ["CChecksum"], swiftSettings: pure),
        .target(name: "CChecksum"),
        .target(name: "CMemory"),

        // Protocols: values that are told what happened and say what to do
        .target(name: "Clocks", dependencies: ["Primitives"], swiftSettings: pure),
        .target(name: "Links", dependencies: ["Primitives"], swiftSettings: pure),
        .target(name: "Gossip", dependencies: ["Primitives"], swiftSettings: pure),
        .target(name: "Faults", dependencies: ["Primitives"], swiftSettings: pure),
        .target(name: "JSON", dependencies: ["Primitives"], swiftSettings: pure),
        .target(name: "HTTP", dependencies: ["Primitives"], swiftSettings: pure),
        .target(name: "Consensus", dependencies: ["Primitives"], swiftSettings: pure),
        .target(name: "Store", dependencies: ["Primitives", "CMemory"], swiftSettings: pure),
        .target(name: "WAL", dependencies: ["Primitives", "Consensus"], swiftSettings: pure),

        // Replica: one node's replicated half, and the form of what it tells its peers
        .target(
            name: "Replication", dependencies: ["Primitives", "Consensus", "Store"], swiftSettings: pure),
        .target(
            name: "Wire", dependencies: ["Primitives", "Clocks", "JSON", "Consensus", "Replication"],
            swiftSettings: pure),
        .target(
            name: "NodeCore",
            dependencies: ["Primitives", "Consensus", "Store", "WAL", "Replication", "Wire"],
            swiftSettings: pure),

        .target(name: "Watches", dependencies: ["Primitives", "JSON", "Store"], swiftSettings: pure),

        // Trial: the same values under virtual time, and judges of what clients saw
        .target(name: "Histories", dependencies: ["Primitives", "JSON"], swiftSettings: pure),
        .target(
            name: "Simulator",
            dependencies: [
                "Primitives", "Consensus", "Store", "WAL", "Replication", "Wire", "NodeCore", "Histories",
                "Watches",
            ], swiftSettings: pure),

        // The outside world
        .target(name: "CPlatform"),
        .target(
            name: "Platform", dependencies: ["Primitives", "CPlatform"], swiftSettings: common),
        .systemLibrary(
            name: "CCurl", pkgConfig: "libcurl", providers: [.apt(["libcurl4-openssl-dev"])]),
        .target(name: "Curl", dependencies: ["Primitives", "CCurl"], swiftSettings: common),
        .target(name: "Telemetry", dependencies: ["Primitives", log], swiftSettings: common),

        // Node
        .target(
            name: "HTTPServer", dependencies: ["Primitives", "HTTP", "Platform"],
            swiftSettings: common),
        .target(
            name: "PeerTransport", dependencies: ["Primitives", "Platform", "Curl"],
            swiftSettings: common),
        .target(
            name: "NodeRuntime",
            dependencies: [
                "Primitives", "JSON", "HTTP", "Consensus", "Store", "WAL", "Wire", "Replication",
                "NodeCore", "Platform", "Telemetry", "HTTPServer", "PeerTransport", "API", "Watches",
                "Clocks", "Links", "Gossip", "Faults",
            ], swiftSettings: common),

        // Faces
        .target(name: "COpenAPI"),
        .target(
            name: "API",
            dependencies: [
                "Primitives", "Clocks", "Faults", "Gossip", "JSON", "HTTP", "Links", "Store", "Watches",
                "COpenAPI",
            ],
            swiftSettings: pure),
        .target(name: "Client", dependencies: ["Primitives", "JSON", "Curl"], swiftSettings: common),

        // Program
        .executableTarget(
            name: "parley",
            dependencies: [
                "Primitives", "JSON", "Links", "Platform", "Telemetry", "NodeRuntime", "Client",
                "Histories", "Simulator", arguments, log,
            ], swiftSettings: common),

        // Tests
        .testTarget(name: "PrimitivesTests", dependencies: ["Primitives"], swiftSettings: common),
        .testTarget(name: "LinksTests", dependencies: ["Links", "Primitives"], swiftSettings: common),
        .testTarget(name: "ClocksTests", dependencies: ["Clocks", "Primitives"], swiftSettings: common),
        .testTarget(name: "GossipTests", dependencies: ["Gossip", "Primitives"], swiftSettings: common),
        .testTarget(name: "FaultsTests", dependencies: ["Faults", "Primitives"], swiftSettings: common),
        .testTarget(name: "JSONTests", dependencies: ["JSON", "Primitives"], swiftSettings: common),
        .testTarget(name: "HTTPTests", dependencies: ["HTTP", "Primitives"], swiftSettings: common),
        .testTarget(
            name: "ConsensusTests", dependencies: ["Consensus", "Primitives"], exclude: ["Scenarios"],
            swiftSettings: common),
        .testTarget(name: "StoreTests", dependencies: ["Store", "Primitives"], swiftSettings: common),
        .testTarget(
            name: "WALTests", dependencies: ["WAL", "Simulator", "Consensus", "Primitives"],
            swiftSettings: common),
        .testTarget(
            name: "ReplicationTests", dependencies: ["Replication", "Consensus", "Store", "Primitives"],
            swiftSettings: common),
        .testTarget(
            name: "WireTests",
            dependencies: ["Wire", "Clocks", "Replication", "Consensus", "JSON", "Primitives"],
            swiftSettings: common),
        .testTarget(
            name: "NodeCoreTests",
            dependencies: ["NodeCore", "Wire", "Replication", "Store", "Consensus", "Primitives"],
            swiftSettings: common),
        .testTarget(name: "PlatformTests", dependencies: ["Platform", "Primitives"], swiftSettings: common),
        .testTarget(
            name: "HTTPServerTests", dependencies: ["HTTPServer", "HTTP", "Platform", "Primitives"],
            swiftSettings: common),
        .testTarget(
            name: "CurlTests",
            dependencies: ["Curl", "PeerTransport", "HTTPServer", "HTTP", "Platform", "Primitives"],
            swiftSettings: common),
        .testTarget(
            name: "APITests",
            dependencies: [
                "API", "Clocks", "Faults", "Gossip", "JSON", "HTTP", "Store", "Watches", "Primitives",
            ],
            swiftSettings: common),
        .testTarget(
            name: "WatchesTests", dependencies: ["Watches", "Store", "JSON", "Primitives"],
            swiftSettings: common),
        .testTarget(
            name: "TelemetryTests", dependencies: ["Telemetry", "Primitives", log], swiftSettings: common),
        .testTarget(
            name: "ClientTests",
            dependencies: [
                "Client", "parley", "NodeRuntime", "Histories", "Telemetry", "Platform", "JSON", "Primitives",
                arguments,
            ], swiftSettings: common),
        .testTarget(
            name: "NodeRuntimeTests",
            dependencies: [
                "NodeRuntime", "NodeCore", "API", "Clocks", "Consensus", "Faults", "Gossip", "HTTP",
                "HTTPServer", "Platform", "Primitives", "Replication", "Store", "WAL", "Watches", "Wire",
            ], swiftSettings: common),
        .testTarget(
            name: "HistoriesTests", dependencies: ["Histories", "JSON", "Primitives"], swiftSettings: common),
        .testTarget(
            name: "SimulatorTests",
            dependencies: [
                "Simulator", "Histories", "NodeCore", "NodeRuntime", "Replication", "Wire", "WAL", "Store",
                "Consensus", "Primitives",
            ], swiftSettings: common),
        .testTarget(name: "TidyTests", swiftSettings: common),
    ]
)
