/// Faults that tests inject to prove that they would be noticed; the daemon has none.
package enum Defect: String, Sendable, CaseIterable {
  /// Answers leave before what they say is written and synced.
  case replyBeforeSync = "reply-before-sync"
  /// The oldest segment goes before the copies of its jobs are durable.
  case trimBeforeCopies = "trim-before-copies"
  /// A copy that was read ahead is written although the job has changed since.
  case staleCarry = "stale-carry"
  /// Any token ends a lease.
  case noTokenCheck = "no-token-check"
}
