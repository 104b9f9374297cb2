/// Mistakes of a log that tests inject to prove that they would be noticed; the daemon has none.
package enum LogDefect: String, Sendable, CaseIterable {
  /// A frame is written and not synced.
  case skipSync = "skip-sync"
  /// A failed sync is tried again, and believed.
  case syncTriedAgain = "sync-tried-again"
  /// A frame counts although its file, or the directory, has lost its name.
  case vanishedNotNoticed = "vanished-not-noticed"
  /// A segment is written before its name is durable.
  case skipDirectorySync = "skip-directory-sync"
  /// A segment gets its name before its header and zeros are durable.
  case spareNotSynced = "spare-not-synced"
  /// A segment is written without `HEAD` naming it.
  case useWithoutHead = "use-without-head"
  /// A trim removes files before `HEAD` says so.
  case unlinkBeforeHead = "unlink-before-head"
  /// What a crash left behind the last frame stays there.
  case tornTailLeft = "torn-tail-left"
  /// A start believes what the page cache says, durable or not.
  case cacheBelieved = "cache-believed"
  /// Any whole frame may follow any other.
  case noChainCheck = "no-chain-check"
  /// A frame's header is not compared with its checksum.
  case noHeaderChecksum = "no-header-checksum"
  /// A frame's records are not compared with their checksum.
  case noRecordsChecksum = "no-records-checksum"
  /// A start does not ask `HEAD` how far the log was durable.
  case headNotCompared = "head-not-compared"
}
