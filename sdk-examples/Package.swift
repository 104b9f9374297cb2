// swift-tools-version:6.2
import PackageDescription

/// An example sees of Roost what any program sees: the public interface of RoostClient.
func example(_ name: String, _ more: Target.Dependency...) -> Target {
  .executableTarget(name: name, dependencies: [.product(name: "RoostClient", package: "roost")] + more)
}

let package = Package(
  name: "sdk-examples",
  dependencies: [.package(name: "roost", path: "..")],
  targets: [
    example("01-simple-client"),
    example("02-simple-worker"),
    example("03-video-processing"),
    example("04-batch-submit"),
    example("05-custom-results"),
    example("06-schedules"),
    example("07-idempotent-payments", "CSQLite"),
    example("08-middleware"),
    .systemLibrary(name: "CSQLite", providers: [.apt(["libsqlite3-dev"])]),
  ]
)
