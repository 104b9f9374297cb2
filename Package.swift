// swift-tools-version:6.2
import PackageDescription

let strict: [SwiftSetting] = [
  .treatAllWarnings(as: .error),
  .enableUpcomingFeature("ExistentialAny"),
  .enableUpcomingFeature("MemberImportVisibility"),
]

let logging = Target.Dependency.product(name: "Logging", package: "swift-log")
let lifecycle = Target.Dependency.product(name: "ServiceLifecycle", package: "swift-service-lifecycle")
let nioCore = Target.Dependency.product(name: "NIOCore", package: "swift-nio")
let nioPosix = Target.Dependency.product(name: "NIOPosix", package: "swift-nio")
let nioSSL = Target.Dependency.product(name: "NIOSSL", package: "swift-nio-ssl")
let metrics = Target.Dependency.product(name: "Metrics", package: "swift-metrics")
let nioHTTP1 = Target.Dependency.product(name: "NIOHTTP1", package: "swift-nio")

let package = Package(
  name: "roost",
  products: [
    .executable(name: "roost", targets: ["RoostCommand"]),
    .library(name: "RoostClient", targets: ["RoostClient"]),
  ],
  dependencies: [
    .package(url: "https://github.com/hummingbird-project/hummingbird.git", from: "2.28.1"),
    .package(url: "https://github.com/apple/swift-argument-parser.git", from: "1.8.2"),
    .package(url: "https://github.com/apple/swift-log.git", from: "1.16.2"),
    .package(url: "https://github.com/swift-server/swift-service-lifecycle.git", from: "2.13.0"),
    .package(url: "https://github.com/apple/swift-crypto.git", from: "4.5.2"),
    .package(url: "https://github.com/apple/swift-nio.git", from: "2.101.2"),
    .package(url: "https://github.com/apple/swift-http-types.git", from: "1.8.0"),
    .package(url: "https://github.com/apple/swift-nio-extras.git", from: "1.35.2"),
    .package(url: "https://github.com/swift-server/async-http-client.git", from: "1.37.0"),
    .package(url: "https://github.com/apple/swift-nio-ssl.git", from: "2.37.6"),
    .package(url: "https://github.com/apple/swift-nio-http2.git", from: "1.46.0"),
    .package(url: "https://github.com/apple/swift-metrics.git", from: "2.13.0"),
    .package(url: "https://github.com/apple/swift-configuration.git", from: "1.4.0", traits: [.defaults, "YAML"]),
  ],
  targets: [
    .target(name: "CCRC32C"),
    .systemLibrary(name: "CHiredis", providers: [.apt(["libhiredis-dev"])]),
    .target(name: "RoostCore", swiftSettings: strict),
    .target(name: "RoostLog", dependencies: ["CCRC32C"], swiftSettings: strict),
    .target(name: "RoostEngine", dependencies: ["RoostCore", "RoostLog", "CCRC32C"], swiftSettings: strict),
    .target(
      name: "RoostKeys",
      dependencies: [
        "CHiredis", logging, metrics, nioCore, nioPosix, .product(name: "Crypto", package: "swift-crypto"),
      ], swiftSettings: strict),
    .target(name: "RoostAPI", swiftSettings: strict),
    .target(
      name: "RoostServer",
      dependencies: [
        "RoostCore", "RoostEngine", "RoostKeys", "RoostAPI", logging, lifecycle, metrics, nioCore, nioPosix, nioHTTP1,
        nioSSL,
        .product(name: "NIOHTTP2", package: "swift-nio-http2"),
        .product(name: "HummingbirdTLS", package: "hummingbird"),
        .product(name: "HummingbirdHTTP2", package: "hummingbird"),
        .product(name: "Hummingbird", package: "hummingbird"),
        .product(name: "HummingbirdCore", package: "hummingbird"),
        .product(name: "HTTPTypes", package: "swift-http-types"),
        .product(name: "NIOHTTPTypes", package: "swift-nio-extras"),
      ], swiftSettings: strict),
    .target(
      name: "RoostClient",
      dependencies: [
        "RoostAPI", logging, lifecycle, nioCore, nioHTTP1, nioSSL,
        .product(name: "AsyncHTTPClient", package: "async-http-client"),
      ],
      swiftSettings: strict),
    .executableTarget(
      name: "RoostCommand",
      dependencies: [
        "RoostServer", "RoostClient", "RoostCore", "RoostLog", "RoostEngine", "RoostKeys", "RoostAPI", logging,
        lifecycle, nioCore, nioPosix, nioHTTP1, metrics,
        .product(name: "Configuration", package: "swift-configuration"),
        .product(name: "ArgumentParser", package: "swift-argument-parser"),
        .product(name: "UnixSignals", package: "swift-service-lifecycle"),
      ], swiftSettings: strict),
    .target(
      name: "RoostSimulation", dependencies: ["RoostCore", "RoostLog", "RoostEngine", "CCRC32C"], swiftSettings: strict),
    .executableTarget(
      name: "roost-sim", dependencies: ["RoostSimulation"], path: "Sources/RoostSim", swiftSettings: strict),
    .executableTarget(
      name: "roost-rows", dependencies: ["RoostCore"], path: "Benchmarks/roost-rows", swiftSettings: strict),
    .executableTarget(
      name: "roost-bench", dependencies: ["RoostCore", "RoostLog", "RoostEngine"], path: "Benchmarks/roost-bench",
      swiftSettings: strict),
    .executableTarget(
      name: "roost-echo",
      dependencies: [
        logging, nioCore, nioPosix, .product(name: "HummingbirdCore", package: "hummingbird"),
        .product(name: "HTTPTypes", package: "swift-http-types"),
      ], path: "Benchmarks/roost-echo", swiftSettings: strict),
    .target(name: "SecretWatch", dependencies: ["RoostKeys"], path: "Tests/SecretWatch", swiftSettings: strict),
    .testTarget(name: "RoostCoreTests", dependencies: ["RoostCore"], swiftSettings: strict),
    .testTarget(
      name: "RoostLogTests", dependencies: ["RoostLog", "RoostSimulation", "CCRC32C"], swiftSettings: strict),
    .testTarget(
      name: "RoostEngineTests", dependencies: ["RoostCore", "RoostLog", "RoostEngine", "RoostSimulation"],
      swiftSettings: strict),
    .testTarget(
      name: "RoostKeysTests",
      dependencies: ["RoostKeys", logging, nioCore, nioPosix, .product(name: "Crypto", package: "swift-crypto")],
      swiftSettings: strict),
    .testTarget(name: "RoostAPITests", dependencies: ["RoostAPI"], swiftSettings: strict),
    .testTarget(
      name: "RoostServerTests",
      dependencies: [
        "RoostServer", "RoostCore", "RoostAPI", "RoostEngine", "RoostKeys", logging, lifecycle, metrics, nioCore,
        nioPosix, nioHTTP1, nioSSL, "SecretWatch", .product(name: "NIOHTTP2", package: "swift-nio-http2"),
        .product(name: "AsyncHTTPClient", package: "async-http-client"),
      ], swiftSettings: strict),
    .testTarget(
      name: "RoostClientTests",
      dependencies: [
        "RoostClient", "RoostServer", "RoostEngine", "RoostKeys", "RoostAPI", logging, lifecycle, nioCore, nioPosix,
      ], swiftSettings: strict),
    .testTarget(
      name: "RoostCommandTests",
      dependencies: ["RoostCommand", "RoostCore", "RoostServer", "RoostKeys", "SecretWatch", logging],
      swiftSettings: strict),
    .testTarget(
      name: "RoostSimulationTests",
      dependencies: ["RoostSimulation", "RoostCore", "RoostLog", "RoostEngine"], swiftSettings: strict),
  ]
)
