/// What a delivery tells: the event and facts of the row it happened to, no payload. `JobOption.notice` of its body; it is
/// rendered when it is sent.
///
/// Layout (little endian): event, state, outcome (`u8` each; 0: none), attempt (`u16`), id (two `u64`; 0: no job), when it
/// happened, when the job was made and when it is tried again (`i64`, wall milliseconds; 0: not), lengths of queue, type,
/// group and reason (`u8` each), and these.
package struct WebhookNotice: Sendable, Equatable {
  package var event: WebhookEvent
  package var job: JobID?
  package var state: JobState?
  package var outcome: Outcome?
  /// 1 for the first; 0 for what is not of an attempt.
  package var attempt: UInt16 = 0
  /// Wall milliseconds.
  package var at: Int64
  package var createdAt: Int64 = 0
  package var retryAt: Int64 = 0
  package var queue: [UInt8] = []
  package var type: [UInt8] = []
  package var group: [UInt8] = []
  /// Why the daemon cancelled a job, or why a queue was paused.
  package var reason: [UInt8] = []

  package init(_ event: WebhookEvent, at wall: Int64) {
    self.event = event
    at = wall
  }

  private static let fixedBytes = 3 + 2 + 16 + 3 * 8 + 4
  static let mostBytes = fixedBytes + 4 * Int(UInt8.max)

  package var bytes: [UInt8] {
    let texts = [queue, type, group, reason]
    return [UInt8](unsafeUninitializedCapacity: Self.mostBytes) { memory, filled in
      var out = RecordWriter(at: memory.baseAddress!)
      out.put(event.rawValue)
      out.put(state?.rawValue ?? 0)
      out.put(outcome?.rawValue ?? 0)
      out.put(attempt)
      out.put(job?.high ?? 0)
      out.put(job?.low ?? 0)
      out.put(at)
      out.put(createdAt)
      out.put(retryAt)
      for text in texts { out.put(UInt8(text.count)) }
      for text in texts { text.withUnsafeBytes { out.put($0) } }
      filled = out.cursor - UnsafeMutableRawPointer(memory.baseAddress!)
    }
  }

  /// Nil where the bytes are none.
  package init?(_ bytes: UnsafeRawBufferPointer) {
    var reader = RecordReader(bytes)
    guard let event = WebhookEvent(rawValue: reader.get()) else { return nil }
    self.event = event
    state = JobState(rawValue: reader.get())
    outcome = Outcome(rawValue: reader.get())
    attempt = reader.get()
    let id = JobID(high: reader.get(), low: reader.get())
    job = id == JobID(high: 0, low: 0) ? nil : id
    at = reader.get()
    createdAt = reader.get()
    retryAt = reader.get()
    let counts = (0..<4).map { _ in Int(reader.get(UInt8.self)) }
    queue = [UInt8](reader.get(count: counts[0]))
    type = [UInt8](reader.get(count: counts[1]))
    group = [UInt8](reader.get(count: counts[2]))
    reason = [UInt8](reader.get(count: counts[3]))
    guard reader.isExhausted else { return nil }
  }
}
