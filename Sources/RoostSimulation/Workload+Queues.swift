import RoostCore

/// What operators say of queues and groups, and do to many jobs.
extension Workload {
  /// An operation that takes a while, and changes little.
  var broad: Request.Operate {
    Request.Operate(kind: .delete, states: 255, queue: nil, type: "t0", owner: nil, before: .max, limit: 1)
  }

  mutating func manage(_ model: ReferenceModel) -> Request {
    let name = random.chance(0.1) ? Self.briefQueue + "\(random.below(6))" : queues.randomElement(using: &random)!
    if random.chance(0.15) { return operation(model) }
    if random.chance(0.16) { return quota(model) }
    if delivers, random.chance(0.3) { return .configure(name, deliveries()) }
    if random.chance(0.35) { return manageGroup(model, name) }
    switch random.below(10) {
    case 0..<2:
      let until = random.chance(0.5) ? max(1, model.now.wall + Int64(random.below(9_000)) - 1_000) : 0
      return .pause(name, reason: bytes(random.below(40)), until: until)
    case 2..<5: return .resume(model.setups.keys.sorted().first { model.setups[$0]!.isPaused } ?? name)
    default: return .configure(name, settings())
    }
  }

  /// Most are soon taken back: an owner who may not submit makes a dull history.
  private mutating func quota(_ model: ReferenceModel) -> Request {
    let told = owners.first { model.quotas[Array($0.utf8)] != nil }
    let owner = told ?? owners.randomElement(using: &random)!
    if random.chance(0.3) { return .readQuota(owner) }
    var quota = OwnerQuota()
    if told != nil, random.chance(0.4) { return .setQuota(owner, quota) }
    if random.chance(0.7) { quota.waitingJobs = UInt64(random.below(12)) }
    if random.chance(0.3) { quota.waitingBytes = random.chance(0.3) ? 0 : OwnerQuota.mostWaiting }
    if random.chance(0.3) { (quota.requestsPerSecond, quota.burst) = (UInt32(1 + random.below(99)), 7) }
    return .setQuota(random.chance(0.5) ? owner : owners.randomElement(using: &random)!, quota)
  }

  private mutating func manageGroup(_ model: ReferenceModel, _ queue: String) -> Request {
    let key = ReferenceModel.GroupKey(
      queue: queue, owner: Array(owners.randomElement(using: &random)!.utf8),
      name: random.chance(0.2) ? "" : "g\(random.below(4))")
    switch random.below(10) {
    case 0..<2:
      let until = random.chance(0.6) ? max(1, model.now.wall + Int64(random.below(9_000)) - 1_000) : 0
      return .pauseGroup(key, reason: Array("why \(random.below(99))".utf8), until: until)
    case 2..<5:
      let paused = model.groups.filter { $0.value.isPaused }.keys
      return .resumeGroup(paused.min { "\($0)" < "\($1)" } ?? key)
    case 5..<7: return .readGroups(queue, viewer())
    default: break
    }
    var change = QueueSettingsChange()
    let isCleared = random.chance(0.4)
    func value(_ made: Int) -> Int64? { isCleared ? nil : Int64(made) }
    switch random.below(4) {
    case 0: change.set(.concurrency, value(1 + random.below(2)))
    case 1:
      change.set(.rateLimit, value(1 + random.below(4)))
      change.set(.ratePeriod, value(500 + random.below(4_000)))
      change.set(.rateBurst, value(1 + random.below(3)))
    case 2: change.set(.maxLength, value(1 + random.below(6)))
    default: change.set(.weight, value(1 + random.below(4)))
    }
    return .configureGroup(key, change)
  }

  private mutating func operation(_ model: ReferenceModel) -> Request {
    switch random.below(12) {
    case 0: return .readOperations
    case 1: return .stopOperation(model.operations.last?.id ?? 7)
    default: break
    }
    let kind = OperationKind.ofJobs.randomElement(using: &random)!
    var wanted = Request.Operate(
      kind: kind, states: random.chance(0.8) ? 255 : UInt8(random.below(256)),
      queue: random.chance(0.7) ? queues.randomElement(using: &random)! : nil,
      type: random.chance(0.2) ? "t\(random.below(3))" : nil,
      owner: random.chance(0.2) ? owners.randomElement(using: &random)! : nil,
      before: random.chance(0.8) ? .max : model.now.wall - Int64(random.below(9_000)),
      limit: random.chance(0.8) ? .max : UInt64(1 + random.below(5)))
    wanted.isDry = random.chance(0.2)
    if random.chance(0.15) { wanted.group = random.chance(0.3) ? "_" : "g\(random.below(5))" }
    if kind == .move || kind == .replay && random.chance(0.3) {
      wanted.target = random.chance(0.3) ? "letters" : queues.randomElement(using: &random)!
    }
    if kind == .deleteQueue {
      let brief = Self.briefQueue + "\(random.below(6))"
      wanted.queue =
        random.chance(0.3) ? brief : known(model, .ready)?.queue ?? queues.randomElement(using: &random)!
      (wanted.states, wanted.type, wanted.owner, wanted.before, wanted.limit) = (255, nil, nil, .max, .max)
      wanted.group = nil
      wanted.isForEmpty = random.chance(0.2)
    }
    return .operate(wanted)
  }

  private mutating func deliveries() -> QueueSettingsChange {
    var change = QueueSettingsChange()
    let isCleared = random.chance(0.4)
    switch random.below(3) {
    case 0: change.set(.push, isCleared ? nil : 1)
    case 1: change.set(.pushConcurrency, isCleared ? nil : Int64(1 + random.below(3)))
    default: change.set(.pushTimeout, isCleared ? nil : Int64(leastLease + random.below(6_000)))
    }
    return change
  }

  private mutating func settings() -> QueueSettingsChange {
    var change = QueueSettingsChange()
    for _ in 0..<(1 + random.below(3)) {
      let isCleared = random.chance(0.3)
      func value(_ made: Int) -> Int64? { isCleared ? nil : Int64(made) }
      switch random.below(29) {
      case 26: change.set(.maxExpiries, value(1 + random.below(3)))
      case 22, 23: change.set(.maxAge, value(1_000 + random.below(3_000)))
      case 24: change.set(.deadRetention, value(random.below(6_000)))
      case 25, 27, 28: change.set(.maxDead, random.chance(0.1) ? nil : Int64(random.below(3)))
      case 12: change.set(.groupConcurrency, value(1 + random.below(2)))
      case 13: change.set(.groupMaxLength, value(1 + random.below(6)))
      case 14:
        change.set(.groupRateLimit, value(1 + random.below(4)))
        change.set(.groupRatePeriod, value(500 + random.below(4_000)))
        change.set(.groupRateBurst, value(1 + random.below(3)))
      case 17:
        change.set(.groupOrdered, value(1 + random.below(2)))
        if random.chance(0.3) { change.set(.groupScope, value(1)) }
      case 18: change.set(.requeueExpired, value(1))
      case 20, 21: change.set(.deadLetter, value(random.below(3)))
      case 19: change.set(.timeout, value(random.chance(0.3) ? 0 : leastLease + random.below(9_000)))
      case 15, 16:
        change.set(.groupFair, value(1))
        change.set(.groupPriority, value(random.below(2)))
      case 0: change.set(.maxRetries, value(random.below(4)))
      case 1:
        var settings = QueueSettings()
        settings.retry = isCleared ? nil : policy().retry
        for setting in QueueSetting.ofRetry {
          change.set(setting, settings[setting])
        }
      case 2: change.set(.priority, value(random.below(30) - 15))
      case 3: change.set(.delay, value(random.below(4_000)))
      case 4: change.set(.lease, value(leastLease + random.below(6_000)))
      case 5: change.set(.retention, value(random.below(9_000)))
      case 6:
        change.set(.maxLength, value(1 + random.below(12)))
        change.set(.onFull, value(random.below(2)))
      case 7: change.set(.maxPayloadBytes, value(50 + random.below(2_000)))
      case 8, 9: change.set(.concurrency, value(1 + random.below(3)))
      case 10:
        change.set(.rateLimit, value(1 + random.below(4)))
        change.set(.ratePeriod, value(500 + random.below(4_000)))
        change.set(.rateBurst, value(1 + random.below(3)))
      default: change.set(.aging, value(1_000 + random.below(3_000)))
      }
    }
    return change
  }
}
