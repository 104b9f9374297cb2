import RoostCore

/// What makes jobs at instants.
extension Workload {
  mutating func schedule(_ model: ReferenceModel) -> Request {
    let key = ReferenceModel.ScheduleKey(
      owner: Array(owners.randomElement(using: &random)!.utf8), name: "s\(random.below(4))")
    let known = model.schedules.keys.sorted { "\($0)" < "\($1)" }
    let any = known.randomElement(using: &random) ?? key
    switch random.below(20) {
    case 0..<2: return .pauseSchedule(random.chance(0.9) ? any : key)
    case 2..<5: return .resumeSchedule(known.first { model.schedules[$0]!.isPaused } ?? key)
    case 5..<7: return .removeSchedule(random.chance(0.9) ? any : key)
    case 7..<9: return .triggerSchedule(random.chance(0.9) ? any : key)
    case 9..<11: return .readSchedules
    case 11: return .setSchedule(any, model.schedules[any]?.wish ?? wish(model, any))
    default:
      let chosen = random.chance(0.4) ? any : key
      return .setSchedule(chosen, wish(model, chosen))
    }
  }

  private mutating func wish(
    _ model: ReferenceModel, _ key: ReferenceModel.ScheduleKey
  ) -> ReferenceModel.ScheduleWish {
    let second = model.clocks.due / 1_000
    var job = submission(model)
    (job.key, job.runAtMilliseconds, job.isFollowed, job.isOfBytes) = (nil, 0, false, false)
    (job.dependsOn, job.batch) = ([], nil)
    job.owner = String(decoding: key.owner, as: UTF8.self)
    if job.unique?.onConflict == .replace { job.unique!.onConflict = .reject }
    job.unique?.maxWaitMilliseconds = 0
    if job.payload.count > 2_000 { job.payload = Array("1".utf8) }
    var wish = ReferenceModel.ScheduleWish(
      every: [1, 2, 3, 3, 7, 60][random.below(6)],
      from: random.chance(0.3) ? max(0, second - 5 + Int64(random.below(20))) : nil,
      overlap: ScheduleOverlap.allCases.randomElement(using: &random)!,
      catchUp: ScheduleCatchUp.allCases.randomElement(using: &random)!,
      window: random.chance(0.8) ? Int64(random.below(200)) : nil,
      jitterMilliseconds: random.chance(0.3) ? Int64(random.below(3_000)) : 0, until: nil, maxRuns: nil,
      pauseOnFailure: random.chance(0.3) ? UInt32(1 + random.below(3)) : nil, job: job)
    if random.chance(0.2) { wish.until = second + Int64(random.below(60)) }
    if random.chance(0.3) { wish.maxRuns = UInt64(1 + random.below(9)) }
    // An edit that keeps the times.
    if let known = model.schedules[key], random.chance(0.5) {
      (wish.every, wish.from) = (known.wish.every, known.wish.from)
    }
    return wish
  }
}
