/// Why the daemon itself cancelled a job, as its history says.
package enum CancelReason: String, Sendable, CaseIterable {
  /// A later job took its place in a queue that holds no more.
  case queueFull = "queue_full"
  /// An operation on many jobs, as a purge.
  case operation
  /// The next run of its schedule takes its place.
  case nextRun = "next_run"

  var text: StaticString {
    switch self {
    case .queueFull: "queue_full"
    case .operation: "operation"
    case .nextRun: "next_run"
    }
  }

  /// CRC32C of the text: the core computes none.
  package var checksum: UInt32 {
    switch self {
    case .queueFull: 0x22E6_C0CA
    case .operation: 0x9D6D_F278
    case .nextRun: 0x13B8_080E
    }
  }
}
