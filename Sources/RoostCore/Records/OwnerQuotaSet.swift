/// What an owner may have and ask from here on; also written again at the end of a trimmed log.
struct OwnerQuotaSet: LogRecord {
  var quota: OwnerQuota
  var owner: UnsafeRawBufferPointer

  static var kind: RecordKind { .ownerQuotaSet }
  static var layout: [RecordField] { [8, 8, 4, 4] }
  static let mostBytes = 1 + 8 + 8 + 4 + 4 + Int(UInt8.max)

  // MARK: Bytes

  /// The largest numbers say that there is no bound.
  func encode(into records: inout RecordBuffer) {
    var out = records.open(Self.kind, atMost: Self.mostBytes)
    out.put(quota.waitingJobs ?? .max)
    out.put(quota.waitingBytes ?? .max)
    out.put(quota.requestsPerSecond ?? .max)
    out.put(quota.burst)
    out.put(owner)
    records.close(out)
  }

  init(owner: UnsafeRawBufferPointer, quota: OwnerQuota) {
    self.owner = owner
    self.quota = quota
  }

  init?(_ reader: inout RecordReader) {
    func bound<Number: FixedWidthInteger>(_ number: Number) -> Number? { number == .max ? nil : number }
    quota = OwnerQuota()
    quota.waitingJobs = bound(reader.get(UInt64.self))
    quota.waitingBytes = bound(reader.get(UInt64.self))
    quota.requestsPerSecond = bound(reader.get(UInt32.self))
    quota.burst = reader.get()
    owner = reader.rest
  }

  // MARK: Replay

  func checkFields(_ state: borrowing StateMachine, at position: LogPosition) throws(ReplayError) {
    guard (1...Int(UInt8.max)).contains(owner.count), quota.waitingJobs ?? 0 <= OwnerQuota.mostWaiting,
      quota.waitingBytes ?? 0 <= OwnerQuota.mostWaiting, 1...OwnerQuota.mostRequests ~= quota.requestsPerSecond ?? 1,
      1...OwnerQuota.mostRequests ~= quota.burst
    else { throw .unfit("a quota within its bounds", "\(owner.count) bytes, \(quota)", position) }
  }

  func replay(into state: inout StateMachine, at place: RecordPlace) throws(ReplayError) {
    try checkFields(state, at: place.position)
    guard state.quotas.count < OwnerQuota.mostOwners || state.hasQuota(owner) else {
      throw .unfit("fewer quotas", "one more", place.position)
    }
    apply(to: &state)
  }

  func apply(to state: inout StateMachine) {
    state.quotaVersion += 1
    let name = state.ownerNames.intern(owner)
    state.owners.reserve(name)
    let place = state.owners[name].pointee.quota
    if quota.isEmpty {
      if place >= 0 { state.removeQuota(at: Int(place)) }
      state.ownerNames.release(name)
    } else if place >= 0 {
      state.quotas[Int(place)].quota = quota
      state.ownerNames.release(name)
    } else {
      // The quota keeps the name in use.
      state.owners[name].pointee.quota = Int32(state.quotas.count)
      state.quotas.append(StateMachine.QuotaCell(owner: name, quota: quota))
    }
  }

  // MARK: Salvage

  func salvage(
    into state: inout StateMachine, at place: RecordPlace, _ notes: inout SalvageNotes, isSound: BodyCheck
  ) {
    if state.quotas.count < OwnerQuota.mostOwners || state.hasQuota(owner) { apply(to: &state) }
  }

  // MARK: Description

  func description(by describer: inout RecordDescriber) -> RecordDescription? {
    var out = RecordDescription(Self.kind)
    out.add("owner", name: owner)
    if let most = quota.waitingJobs { out.add("waiting_jobs", most) }
    if let most = quota.waitingBytes { out.add("waiting_bytes", most) }
    if let most = quota.requestsPerSecond {
      out.add("requests_per_second", most)
      out.add("burst", quota.burst)
    }
    return out
  }
}

extension StateMachine {
  mutating func hasQuota(_ name: UnsafeRawBufferPointer) -> Bool {
    let owner = ownerNames.find(name)
    return owner != .none && owner < owners.count && owners[owner].pointee.quota >= 0
  }

  /// The last one takes its place.
  fileprivate mutating func removeQuota(at place: Int) {
    let owner = quotas[place].owner
    owners[owner].pointee.quota = -1
    let last = quotas.removeLast()
    if place < quotas.count {
      quotas[place] = last
      owners[last.owner].pointee.quota = Int32(place)
    }
    ownerNames.release(owner)
  }
}
