/// A queue's settings are these from here on; also written again at the end of a trimmed log.
struct QueueConfiguredEvent {
  var rate: RateState
  var settings: QueueSettings
  var name: UnsafeRawBufferPointer

  static let mostBytes = 1 + 24 + QueueSettings.mostBytes + Int(UInt8.max)

  func encode(into records: inout RecordBuffer) {
    var (out, _) = records.open(.queueConfigured, atMost: Self.mostBytes)
    out.put(rate.theoretical)
    out.put(rate.last)
    out.put(rate.firstOfLast)
    settings.encode(into: &out)
    out.put(name)
    _ = records.close(out)
  }

  init(rate: RateState, settings: QueueSettings, name: UnsafeRawBufferPointer) {
    self.rate = rate
    self.settings = settings
    self.name = name
  }

  /// Nil when it is not whole.
  init?(_ reader: inout RecordReader) {
    rate = RateState(theoretical: reader.get(), last: reader.get(), firstOfLast: reader.get())
    guard let settings = QueueSettings(&reader), !reader.isShort else { return nil }
    self.settings = settings
    name = reader.rest
  }
}

extension StateMachine {
  func checkFields(_ event: QueueConfiguredEvent, at position: LogPosition) throws(ReplayError) {
    guard (1...Int(UInt8.max)).contains(event.name.count), event.settings.isPossible else {
      throw unfit("a queue's settings within their bounds", "\(event.name.count) bytes, or others", position)
    }
    let (rate, latest) = (event.rate, LeaseRate(event.settings)?.latest(at: now.log))
    guard latest != nil || rate == RateState(), (0...(latest ?? 0)).contains(rate.theoretical),
      (0...now.log).contains(rate.last), rate.firstOfLast <= Bounds.counter
    else { throw unfit("leases of a queue up to now", "\(rate)", position) }
  }

  mutating func apply(_ event: QueueConfiguredEvent) {
    let queue = queueForSetup(event.name)
    let setup = openSetup(queue)
    setup.pointee.settings = event.settings
    setup.pointee.rate = event.rate
    closeSetup(queue)
    guard isLive else { return }
    noteChange(queue)
    wake(queue)
  }
}

extension RecordDescriber {
  func queueConfigured(_ event: QueueConfiguredEvent) -> RecordDescription {
    var out = RecordDescription(kind: "queueConfigured")
    out.add("queue", name: event.name)
    out.add("theoretical", event.rate.theoretical)
    out.add("last_lease", event.rate.last)
    out.add("first_of_last", event.rate.firstOfLast)
    for setting in QueueSetting.allCases { if let value = event.settings[setting] { out.add("\(setting)", value) } }
    return out
  }
}
