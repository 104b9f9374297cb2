import RoostCore

extension StateMachine.Image {
  /// In what a state that was read from the log differs from the one in memory: the first three things.
  func differences(from live: StateMachine.Image) -> String {
    var found: [String] = []
    if counters != live.counters { found.append("counters \(counters), live \(live.counters)") }
    let liveRows = Dictionary(uniqueKeysWithValues: live.rows.map { ($0.number, $0) })
    let ownRows = Dictionary(uniqueKeysWithValues: rows.map { ($0.number, $0) })
    for number in Set(liveRows.keys).union(ownRows.keys).sorted() where liveRows[number] != ownRows[number] {
      let (a, b) = (ownRows[number], liveRows[number])
      found.append("job \(number): \(a.map { "\($0)" } ?? "none"), live \(b.map { "\($0)" } ?? "none")")
    }
    if ready != live.ready { found.append("ready \(ready), live \(live.ready)") }
    if finished != live.finished { found.append("finished \(finished), live \(live.finished)") }
    if dead != live.dead { found.append("dead \(dead), live \(live.dead)") }
    if heaps != live.heaps { found.append("heaps \(heaps), live \(live.heaps)") }
    if stubs != live.stubs { found.append("stubs \(stubs), live \(live.stubs)") }
    if operations != live.operations { found.append("operations \(operations), live \(live.operations)") }
    let time = max(logTime, live.logTime)
    for (mine, other) in zip(groups(at: time), live.groups(at: time)) where mine != other {
      found.append("group \(mine), live \(other)")
    }
    if groups(at: time).count != live.groups(at: time).count { found.append("other groups") }
    if queues != live.queues { found.append("queues \(queues), live \(live.queues)") }
    return found.prefix(3).joined(separator: "; ")
  }
}
