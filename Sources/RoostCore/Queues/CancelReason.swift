/// Why the daemon itself cancelled a job, as its history says.
package enum CancelReason: String, Sendable, CaseIterable {
  /// A later job took its place in a queue that holds no more.
  case queueFull = "queue_full"
  /// An operation on many jobs, as a purge.
  case operation
  /// The next run of its schedule takes its place.
  case nextRun = "next_run"
  /// A job that it waited for was not ACKED.
  case dependency = "dependency_failed"
  /// Its batch was called off.
  case batch = "batch_cancelled"
  /// It waited beyond the time before which it must begin.
  case expired
  /// A later job took its place.
  case replaced
  /// It was READY for longer than its queue lets a job be.
  case tooOld = "too_old"

  var text: StaticString {
    switch self {
    case .queueFull: "queue_full"
    case .operation: "operation"
    case .nextRun: "next_run"
    case .dependency: "dependency_failed"
    case .batch: "batch_cancelled"
    case .expired: "expired"
    case .replaced: "replaced"
    case .tooOld: "too_old"
    }
  }

  /// CRC32C of the text: the core computes none.
  package var checksum: UInt32 {
    switch self {
    case .queueFull: 0x22E6_C0CA
    case .operation: 0x9D6D_F278
    case .nextRun: 0x13B8_080E
    case .dependency: 0x60A7_B0BB
    case .batch: 0x1832_308A
    case .expired: 0x8C96_D276
    case .replaced: 0x532F_173F
    case .tooOld: 0xDB66_35AD
    }
  }
}
