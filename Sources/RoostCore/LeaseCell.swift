/// What is known of a job's last lease and of how it ended; only for jobs that were leased or cancelled.
struct LeaseCell: BitwiseCopyable {
  var id = LeaseID(epoch: 0, number: 0)
  /// Nanoseconds.
  var duration: Int64 = 0
  /// Wall times, milliseconds.
  var leasedAt: Int64 = 0
  var endedAt: Int64 = 0
  /// Uptime when the job last ended.
  var endedUptime: Int64 = 0
  /// The record with the newest history entry; 0 when there is none.
  var history: UInt64 = 0
  var historyBytes: UInt32 = 0
  /// Of the history records since the last carry what the next one would keep, bytes.
  var historyTotal: UInt32 = 0
  /// The record with what the worker last said of its progress; 0 when it said nothing in this attempt.
  var report: UInt64 = 0
  var reportBytes: UInt32 = 0
  /// Milliseconds of the last pause before a retry.
  var pause: UInt32 = 0
  /// Interned names.
  var worker: UInt32 = 0
  var keyID: UInt32 = 0
  /// CRC32C of the result or error with which the last lease ended; 0 for none.
  var said: UInt32 = 0
  /// `Outcome` of the last lease; 0 while it is held.
  var lastOutcome: UInt8 = 0
}
