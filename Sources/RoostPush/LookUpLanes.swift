/// Look-ups of names under way: so many of an owner, and so many in all. Whoever names hosts whose name servers do not
/// answer keeps the own deliveries waiting, not those of others.
package actor LookUpLanes {
  private struct Waiting {
    let id: UInt64
    let turn: CheckedContinuation<Bool, Never>
  }

  private struct Lane {
    var running = 0
    var waiting: [Waiting] = []
  }

  private let mostOfOwner: Int
  private let most: Int
  private var lanes: [String: Lane] = [:]
  /// Owners with somebody who waits though fewer run than may, in the order in which they go on.
  private var turns: [String] = []
  private var running = 0
  private var lastID: UInt64 = 0

  package init(mostOfOwner: Int = 16, most: Int = 256) { (self.mostOfOwner, self.most) = (mostOfOwner, most) }

  /// Waits for a turn, which `leave` ends.
  ///
  /// - Returns: False where none came in time, or the task was cancelled.
  package func enter(_ owner: String, within limit: Duration) async -> Bool {
    if running < most, lanes[owner]?.running ?? 0 < mostOfOwner {
      begin(owner)
      return true
    }
    lastID += 1
    let id = lastID
    let clock = Task {
      try? await Task.sleep(for: limit)
      giveUp(id, of: owner)
    }
    defer { clock.cancel() }
    return await withTaskCancellationHandler {
      await withCheckedContinuation { turn in
        lanes[owner, default: Lane()].waiting.append(Waiting(id: id, turn: turn))
        if lanes[owner]!.running < mostOfOwner, !turns.contains(owner) { turns.append(owner) }
      }
    } onCancel: {
      clock.cancel()
    }
  }

  package func leave(_ owner: String) {
    running -= 1
    lanes[owner]!.running -= 1
    if !lanes[owner]!.waiting.isEmpty, !turns.contains(owner) { turns.append(owner) }
    while running < most, let next = turns.first {
      turns.removeFirst()
      guard var lane = lanes[next], lane.running < mostOfOwner, !lane.waiting.isEmpty else { continue }
      let first = lane.waiting.removeFirst()
      let hasMore = !lane.waiting.isEmpty && lane.running + 1 < mostOfOwner
      lanes[next] = lane
      begin(next)
      if hasMore { turns.append(next) }
      first.turn.resume(returning: true)
    }
    if let lane = lanes[owner], lane.running == 0, lane.waiting.isEmpty { lanes[owner] = nil }
  }

  private func begin(_ owner: String) {
    running += 1
    lanes[owner, default: Lane()].running += 1
  }

  /// Its time is over, or its task was cancelled: a cancelled clock sleeps no longer.
  private func giveUp(_ id: UInt64, of owner: String) {
    guard let place = lanes[owner]?.waiting.firstIndex(where: { $0.id == id }) else { return }
    lanes[owner]!.waiting.remove(at: place).turn.resume(returning: false)
    if let lane = lanes[owner], lane.running == 0, lane.waiting.isEmpty { lanes[owner] = nil }
  }
}
