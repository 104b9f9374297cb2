import RoostCore

/// Makes a failing history short: drops whatever the failure does not need.
extension Simulation {
  /// Delta debugging over the parts of all turns (Zeller and Hildebrandt, "Simplifying and Isolating Failure-Inducing
  /// Input", 2002), bounded by a number of tries.
  ///
  /// - Returns: The script that still fails in the same way, and its failure.
  package static func shrink(
    _ failure: SimulationFailure, defects: Set<Mutation> = [], tries: Int = 2_000
  ) -> (script: Script, failure: SimulationFailure) {
    var best = (script: Script(turns: failure.turn), failure: failure)
    var left = tries
    func fails(_ parts: [Int]) -> Bool {
      left -= 1
      let script = Script(parts: parts)
      do throws(SimulationFailure) {
        _ = try run(seed: failure.seed, defects: defects, script: script)
        return false
      } catch {
        guard error.kind == failure.kind else { return false }
        best = (script, error)
        return true
      }
    }
    var parts = best.script.parts
    guard fails(parts) else { return best }
    var size = max(1, parts.count / 2)
    while left > 0 {
      var start = 0
      var hasShrunk = false
      while start < parts.count, left > 0 {
        let fewer = Array(parts[..<start] + parts[min(start + size, parts.count)...])
        if fails(fewer) {
          parts = fewer
          hasShrunk = true
        } else {
          start += size
        }
      }
      if size == 1, !hasShrunk { break }
      if !hasShrunk || size > parts.count { size = max(1, size / 2) }
    }
    return best
  }
}

extension SimulationFailure {
  /// What the message says before its first number: another failure than that is another bug.
  fileprivate var kind: Substring { message.prefix { !$0.isNumber } }
}
