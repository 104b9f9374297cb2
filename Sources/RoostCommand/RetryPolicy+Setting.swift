import RoostAPI
import RoostCore

extension RetryPolicy {
  /// Reads the form of a setting: `5s..10m`, and behind it `factor=3` and `jitter=equal` (or `jitter=10s`) if wanted, each behind a comma.
  ///
  /// The pauses and the factor have the bounds that a job's `retry` has. Nil where the text says no policy.
  init?(setting text: String) {
    let parts = text.split(separator: ",", omittingEmptySubsequences: false).map { $0.trimmed }
    let pauses = parts[0].split(separator: "..", omittingEmptySubsequences: false).map { String($0) }
    guard pauses.count == 2, let initial = DurationText.milliseconds(pauses[0]),
      let most = DurationText.milliseconds(pauses[1]), (0...86_400_000).contains(initial),
      (initial...604_800_000).contains(most)
    else { return nil }
    var policy = RetryPolicy.standard
    (policy.initialMilliseconds, policy.maxMilliseconds) = (UInt32(initial), UInt32(most))
    for part in parts.dropFirst() {
      let words = part.split(separator: "=", omittingEmptySubsequences: false).map { String($0) }
      guard words.count == 2 else { return nil }
      switch words[0] {
      case "factor":
        guard let factor = Double(words[1]), (1...100).contains(factor) else { return nil }
        policy.factorThousandths = UInt32((factor * 1_000).rounded())
      case "jitter":
        if let jitter = Jitter.named.first(where: { "\($0)" == words[1] }) {
          policy.jitter = jitter
        } else if let added = DurationText.milliseconds(words[1]), (1...RetryPolicy.mostAdded).contains(added) {
          policy.add(atMost: UInt32(added))
        } else {
          return nil
        }
      default: return nil
      }
    }
    self = policy
  }
}

extension Substring {
  fileprivate var trimmed: Substring {
    var rest = self
    while rest.first == " " { rest.removeFirst() }
    while rest.last == " " { rest.removeLast() }
    return rest
  }
}
