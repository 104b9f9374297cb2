// swift-tools-version:6.2
import PackageDescription

/// Where libFuzzer's library lies; set by `scripts/fuzz.sh` alone, which counts what each input covers.
let fuzzerRuntime = Context.environment["ROOST_FUZZ"]

let strict: [SwiftSetting] =
  [
    .treatAllWarnings(as: .error),
    .enableUpcomingFeature("ExistentialAny"),
    .enableUpcomingFeature("MemberImportVisibility"),
  ] + (fuzzerRuntime == nil ? [] : [.unsafeFlags(["-sanitize=fuzzer"])])

let fuzzer: [Target] =
  fuzzerRuntime.map { folder in
    [
      .executableTarget(
        name: "roost-fuzz", dependencies: ["Fuzzing"], path: "Tests/FuzzMain", swiftSettings: strict,
        linkerSettings: [.unsafeFlags(["-L\(folder)", "-lclang_rt.fuzzer_no_main-x86_64", "-lstdc++"])])
    ]
  } ?? []

let logging = Target.Dependency.product(name: "Logging", package: "swift-log")
let lifecycle = Target.Dependency.product(name: "ServiceLifecycle", package: "swift-service-lifecycle")
let nioCore = Target.Dependency.product(name: "NIOCore", package: "swift-nio")
let nioPosix = Target.Dependency.product(name: "NIOPosix", package: "swift-nio")
let nioSSL = Target.Dependency.product(name: "NIOSSL", package: "swift-nio-ssl")
let metrics = Target.Dependency.product(name: "Metrics", package: "swift-metrics")
let tracing = Target.Dependency.product(name: "Tracing", package: "swift-distributed-tracing")
let asyncHTTPClient = Target.Dependency.product(name: "AsyncHTTPClient", package: "async-http-client")
let nioHTTP1 = Target.Dependency.product(name: "NIOHTTP1", package: "swift-nio")

let grpcCore = Target.Dependency.product(name: "GRPCCore", package: "grpc-swift-2")
let grpcTransport = Target.Dependency.product(name: "GRPCNIOTransportHTTP2Posix", package: "grpc-swift-nio-transport")
let grpcProtobuf = Target.Dependency.product(name: "GRPCProtobuf", package: "grpc-swift-protobuf")
let protobuf = Target.Dependency.product(name: "SwiftProtobuf", package: "swift-protobuf")

/// The examples are a package of their own, `sdk-examples`; here they are built with the rest, so that tests can run
/// them without building every dependency twice. Like a package of its own they see only what is public.
let examples = [
  "01-simple-client", "02-simple-worker", "03-video-processing", "04-batch-submit", "05-custom-results", "06-schedules",
  "07-idempotent-payments", "08-middleware",
].map { name in
  Target.executableTarget(
    name: "example-\(name)", dependencies: ["RoostClient"] + (name.hasPrefix("07") ? ["CSQLite"] : []),
    path: "sdk-examples/Sources/\(name)", packageAccess: false, swiftSettings: strict)
}

let package = Package(
  name: "roost",
  products: [
    .executable(name: "roost", targets: ["RoostCommand"]),
    .library(name: "RoostClient", targets: ["RoostClient"]),
    .library(name: "RoostTesting", targets: ["RoostTesting"]),
    .library(name: "RoostGRPCClient", targets: ["RoostGRPCClient"]),
    .library(name: "PowerCut", type: .dynamic, targets: ["CPowerCut"]),
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
    .package(url: "https://github.com/apple/swift-distributed-tracing.git", from: "1.7.3"),
    .package(url: "https://github.com/apple/swift-configuration.git", from: "1.4.0", traits: []),
    .package(url: "https://github.com/jpsim/Yams.git", from: "6.2.2"),
    .package(url: "https://github.com/grpc/grpc-swift-2.git", from: "2.4.3"),
    .package(url: "https://github.com/grpc/grpc-swift-nio-transport.git", from: "2.9.2"),
    .package(url: "https://github.com/grpc/grpc-swift-protobuf.git", from: "2.4.1"),
    .package(url: "https://github.com/apple/swift-protobuf.git", from: "1.39.0", traits: []),
    .package(url: "https://github.com/vapor/jwt-kit.git", from: "5.7.1"),
  ],
  targets: [
    .target(name: "CCRC32C"),
    .target(name: "COpenAPI"),
    .target(name: "CMachine"),
    .target(name: "CSupervise"),
    .target(name: "CDashboard", exclude: ["files"]),
    .systemLibrary(name: "CHiredis", providers: [.apt(["libhiredis-dev"])]),
    .systemLibrary(
      name: "CSQLite", path: "sdk-examples/Sources/CSQLite", providers: [.apt(["libsqlite3-dev"])]),
    .target(name: "RoostCore", swiftSettings: strict),
    .target(name: "RoostLog", dependencies: ["CCRC32C"], swiftSettings: strict),
    .target(
      name: "RoostEngine", dependencies: ["RoostCore", "RoostCron", "RoostLog", "CCRC32C"], swiftSettings: strict),
    .target(
      name: "RoostKeys",
      dependencies: [
        "RoostAPI", "CHiredis", logging, metrics, nioCore, nioPosix,
        .product(name: "Crypto", package: "swift-crypto"),
        .product(name: "JWTKit", package: "jwt-kit"),
      ], swiftSettings: strict),
    .target(name: "RoostAPI", swiftSettings: strict),
    .target(name: "RoostCron", swiftSettings: strict),
    .target(
      name: "RoostPush",
      dependencies: [
        "RoostCore", "RoostEngine", "RoostKeys", "RoostAPI", logging, nioCore, nioPosix, nioHTTP1, nioSSL,
        .product(name: "AsyncHTTPClient", package: "async-http-client"),
        .product(name: "Crypto", package: "swift-crypto"),
      ], swiftSettings: strict),
    .target(
      name: "RoostServer",
      dependencies: [
        "RoostCore", "RoostCron", "RoostEngine", "RoostKeys", "RoostAPI", "RoostPush", "COpenAPI", "CDashboard",
        logging, lifecycle, metrics, tracing, nioCore, nioPosix, nioHTTP1,
        nioSSL,
        .product(name: "NIOHTTP2", package: "swift-nio-http2"),
        .product(name: "NIOHPACK", package: "swift-nio-http2"),
        .product(name: "NIOTLS", package: "swift-nio"),
        .product(name: "NIOExtras", package: "swift-nio-extras"),
        .product(name: "HTTPTypes", package: "swift-http-types"),
        .product(name: "NIOHTTPTypes", package: "swift-nio-extras"),
        .product(name: "NIOHTTPTypesHTTP2", package: "swift-nio-extras"),
      ], swiftSettings: strict),
    .target(
      name: "RoostTelemetry", dependencies: [logging, tracing, nioCore, nioHTTP1, nioSSL, asyncHTTPClient],
      swiftSettings: strict),
    .testTarget(
      name: "RoostTelemetryTests", dependencies: ["RoostTelemetry", logging, tracing], swiftSettings: strict),
    .target(
      name: "RoostClient",
      dependencies: [
        "RoostAPI", logging, lifecycle, metrics, tracing, nioCore, nioPosix, nioHTTP1, nioSSL,
        asyncHTTPClient,
        .product(name: "UnixSignals", package: "swift-service-lifecycle"),
      ],
      swiftSettings: strict),
    .target(name: "RoostProto", dependencies: [grpcCore, grpcProtobuf, protobuf]),
    .target(
      name: "RoostGRPC",
      dependencies: [
        "RoostProto", "RoostServer", "RoostCore", "RoostEngine", "RoostKeys", "RoostAPI", grpcCore, grpcTransport,
        grpcProtobuf, protobuf, logging, lifecycle, metrics, nioCore, nioPosix, nioSSL,
        .product(name: "NIOTLS", package: "swift-nio"),
      ], swiftSettings: strict),
    .target(
      name: "RoostGRPCClient",
      dependencies: [
        "RoostProto", "RoostClient", "RoostAPI", grpcCore, grpcTransport, grpcProtobuf, protobuf, logging, lifecycle,
        .product(name: "UnixSignals", package: "swift-service-lifecycle"),
      ], swiftSettings: strict),
    .executableTarget(
      name: "RoostCommand",
      dependencies: [
        "RoostServer", "RoostGRPC", "RoostClient", "RoostCore", "RoostLog", "RoostEngine", "RoostKeys", "RoostAPI",
        "RoostCron", "RoostPush", "RoostTelemetry", "CMachine", "CSupervise", logging,
        lifecycle, nioCore, nioPosix, nioHTTP1, metrics,
        asyncHTTPClient,
        .product(name: "Configuration", package: "swift-configuration"),
        .product(name: "Crypto", package: "swift-crypto"),
        .product(name: "Yams", package: "Yams"),
        .product(name: "ArgumentParser", package: "swift-argument-parser"),
        .product(name: "UnixSignals", package: "swift-service-lifecycle"),
      ], swiftSettings: strict),
    .target(
      name: "RoostSimulation", dependencies: ["RoostCore", "RoostLog", "RoostEngine", "CCRC32C"], swiftSettings: strict),
    .target(
      name: "RoostTesting",
      dependencies: ["RoostClient", "RoostServer", "RoostEngine", "RoostKeys", "RoostAPI", "RoostSimulation", logging],
      swiftSettings: strict),
    .executableTarget(
      name: "roost-sim", dependencies: ["RoostSimulation"], path: "Sources/RoostSim", swiftSettings: strict),
    .executableTarget(
      name: "roost-rows", dependencies: ["RoostCore"], path: "Benchmarks/roost-rows", swiftSettings: strict),
    .executableTarget(
      name: "roost-bench", dependencies: ["RoostCore", "RoostLog", "RoostEngine", "RoostClient", logging],
      path: "Benchmarks/roost-bench", swiftSettings: strict),
    .executableTarget(
      name: "roost-echo",
      dependencies: [
        logging, nioCore, nioPosix, .product(name: "HummingbirdCore", package: "hummingbird"),
        .product(name: "HTTPTypes", package: "swift-http-types"),
      ], path: "Benchmarks/roost-echo", swiftSettings: strict),
    .target(
      name: "SecretWatch", dependencies: ["RoostKeys", logging], path: "Tests/SecretWatch", swiftSettings: strict),
    .testTarget(name: "RoostCoreTests", dependencies: ["RoostCore"], swiftSettings: strict),
    .testTarget(
      name: "RoostLogTests", dependencies: ["RoostLog", "RoostSimulation", "CCRC32C"], swiftSettings: strict),
    .testTarget(
      name: "RoostEngineTests", dependencies: ["RoostCore", "RoostLog", "RoostEngine", "RoostSimulation"],
      swiftSettings: strict),
    .target(
      name: "Fuzzing",
      dependencies: [
        "RoostAPI", "RoostCore", "RoostCron", "RoostKeys", "RoostEngine", "RoostLog", "RoostServer", "RoostSimulation",
        nioCore, nioHTTP1, .product(name: "NIOEmbedded", package: "swift-nio"),
      ],
      path: "Tests/Fuzzing", exclude: ["Corpora"], swiftSettings: strict),
    .testTarget(name: "FuzzingTests", dependencies: ["Fuzzing"], swiftSettings: strict),
    .target(name: "CPowerCut", path: "Tests/CPowerCut"),
    .executableTarget(name: "powercut-probe", path: "Tests/PowerCutProbe"),
    .executableTarget(
      name: "sdk-probe", dependencies: ["RoostClient"], path: "Tests/SDKProbe", packageAccess: false,
      swiftSettings: strict),
    .target(name: "Spawning", path: "Tests/Spawning", swiftSettings: strict),
    .target(
      name: "RedisForTests", dependencies: ["Spawning"], path: "Tests/RedisForTests", swiftSettings: strict),
    .testTarget(
      name: "RoostKeysTests",
      dependencies: [
        "RoostKeys", "RoostAPI", "RedisForTests", logging, nioCore, nioPosix,
        .product(name: "Crypto", package: "swift-crypto"), .product(name: "CryptoExtras", package: "swift-crypto"),
      ],
      swiftSettings: strict),
    .testTarget(name: "RoostAPITests", dependencies: ["RoostAPI"], swiftSettings: strict),
    .testTarget(name: "RoostCronTests", dependencies: ["RoostCron"], swiftSettings: strict),
    .testTarget(
      name: "RoostPushTests",
      dependencies: ["RoostPush", "RoostKeys", nioCore, .product(name: "Crypto", package: "swift-crypto")],
      swiftSettings: strict),
    .testTarget(
      name: "RoostServerTests",
      dependencies: [
        "RoostPush", "RoostServer", "RoostCore", "RoostAPI", "RoostEngine", "RoostKeys", "RoostTelemetry", logging,
        lifecycle, metrics, tracing, nioCore, nioPosix, nioHTTP1, nioSSL, "SecretWatch", "Spawning",
        .product(name: "NIOHTTP2", package: "swift-nio-http2"),
        .product(name: "NIOHPACK", package: "swift-nio-http2"),
        .product(name: "NIOEmbedded", package: "swift-nio"),
        .product(name: "NIOTLS", package: "swift-nio"),
        .product(name: "AsyncHTTPClient", package: "async-http-client"),
        .product(name: "Yams", package: "Yams"),
      ], swiftSettings: strict),
    .testTarget(
      name: "RoostClientTests",
      dependencies: [
        "RoostClient", "RoostTesting", "RoostServer", "RoostEngine", "RoostKeys", "RoostAPI", "RoostTelemetry",
        "SecretWatch", logging, lifecycle, metrics, tracing, nioCore, nioPosix,
        nioHTTP1, .product(name: "AsyncHTTPClient", package: "async-http-client"),
      ], swiftSettings: strict),
    .testTarget(
      name: "RoostGRPCTests",
      dependencies: [
        "RoostGRPC", "RoostGRPCClient", "RoostProto", "RoostServer", "RoostClient", "RoostEngine", "RoostKeys",
        "RoostAPI", "RoostCore", "RoostTelemetry", "SecretWatch", "Spawning", grpcCore, grpcTransport, grpcProtobuf,
        protobuf, logging, lifecycle, tracing, nioCore, nioPosix, nioHTTP1, asyncHTTPClient,
      ], swiftSettings: strict),
    .testTarget(
      name: "RoostCommandTests",
      dependencies: [
        "RoostCommand", "RoostGRPCClient", "RoostCore", "RoostLog", "RoostClient", "RoostServer", "RoostKeys",
        "RedisForTests",
        "SecretWatch", "Spawning", logging, lifecycle,
        "Fuzzing",
        .product(name: "Yams", package: "Yams"),
      ],
      swiftSettings: strict),
    .testTarget(
      name: "RoostSimulationTests",
      dependencies: ["RoostSimulation", "RoostCore", "RoostLog", "RoostEngine"], swiftSettings: strict),
  ] + examples + fuzzer
)
