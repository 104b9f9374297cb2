/// Schedules, in the image of the whole state, and what contradicts itself of them.
extension StateMachine {
  var scheduleImages: [String] {
    schedules.order.map { slot in
      let row = schedules[slot]
      let (owner, name) = (String(decoding: row.owner, as: UTF8.self), String(decoding: row.name, as: UTF8.self))
      return "\(row.id) \(owner) \(name) \(row.base) \(row.recordBytes) \(row.definition.bytes) \(row.state)"
    }
  }

  func brokenSchedules() -> [String] {
    var found: [String] = []
    let names = schedules.order.map { (schedules[$0].owner, schedules[$0].name) }
    for (one, other) in zip(names, names.dropFirst())
    where
      !(one.0 == other.0
      ? one.1.lexicographicallyPrecedes(other.1) : one.0.lexicographicallyPrecedes(other.0))
    {
      found.append("the order of schedules")
    }
    var (used, records) = (0, 0)
    for slot in schedules.order {
      let row = schedules[slot]
      used += row.usedBytes
      records += Int(row.recordBytes)
      if schedules.find(id: row.id) != slot { found.append("schedule \(row.id) is not found by its number") }
      if row.state.open.contains(where: { schedules.schedule(ofRun: $0) != slot }) {
        found.append("a run of schedule \(row.id) names another")
      }
      let ended = Set(schedules.ended.map(\.number))
      for number in row.state.open where !ended.contains(number) {
        let job = jobs.find(number)
        if job == .none || JobState(rawValue: jobs.hot(job).pointee.state)!.isFinished {
          found.append("job \(number) ended, and is a run of schedule \(row.id) still")
        }
      }
      if row.mayStart, row.heldUntil == 0, !schedules.startable.contains(slot) {
        found.append("a run of schedule \(row.id) waits for nothing")
      }
    }
    if used != schedules.usedBytes { found.append("memory of schedules \(schedules.usedBytes), counted \(used)") }
    if records != schedules.recordBytes { found.append("records of schedules") }
    return found
  }
}
