/// A queue's settings are these from here on; also written again at the end of a trimmed log.
struct QueueConfiguredEvent {
  /// `LeaseRate`'s theoretical time, log time; 0 where leases are not limited.
  var theoretical: Int64
  var settings: QueueSettings
  var name: UnsafeRawBufferPointer

  static let mostBytes = 1 + 8 + QueueSettings.mostBytes + Int(UInt8.max)

  func encode(into records: inout RecordBuffer) {
    var (out, _) = records.open(.queueConfigured, atMost: Self.mostBytes)
    out.put(theoretical)
    settings.encode(into: &out)
    out.put(name)
    _ = records.close(out)
  }

  init(theoretical: Int64, settings: QueueSettings, name: UnsafeRawBufferPointer) {
    self.theoretical = theoretical
    self.settings = settings
    self.name = name
  }

  /// Nil when it is not whole.
  init?(_ reader: inout RecordReader) {
    theoretical = reader.get()
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
    let latest = LeaseRate(event.settings)?.latest(at: now.log) ?? 0
    guard (0...latest).contains(event.theoretical) else {
      throw unfit("a lease's time 0…\(latest)", "\(event.theoretical)", position)
    }
  }

  mutating func apply(_ event: QueueConfiguredEvent) {
    let queue = queueForSetup(event.name)
    let setup = openSetup(queue)
    setup.pointee.settings = event.settings
    setup.pointee.theoretical = event.theoretical
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
    out.add("theoretical", event.theoretical)
    for setting in QueueSetting.allCases { if let value = event.settings[setting] { out.add("\(setting)", value) } }
    return out
  }
}
