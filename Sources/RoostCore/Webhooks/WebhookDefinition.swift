/// What somebody said of a webhook: where it is delivered, and which events it asks for.
package struct WebhookDefinition: Sendable, Equatable {
  /// As `PushTarget` has it.
  package var target: [UInt8]
  /// `WebhookEvent.bit`s.
  package var events: UInt32
  /// Names of queues; empty: events of all queues.
  package var queues: [[UInt8]] = []
  /// Types of jobs; empty: of all types.
  package var types: [[UInt8]] = []
  /// UTF-8, at most 255 bytes.
  package var description: [UInt8] = []

  package init(target: [UInt8], events: UInt32) {
    self.target = target
    self.events = events
  }

  /// Queues, and types, that one may name.
  package static let mostNames = 32
  private static let fixedBytes = 4 + 2 + 1 + 1 + 1
  static let mostBytes = fixedBytes + PushTarget.mostBytes + 255 + 2 * mostNames * (1 + Int(UInt8.max))

  package var url: String { target.withUnsafeBytes { PushTarget($0)?.url ?? "" } }

  package func asks(for event: WebhookEvent) -> Bool { events & event.bit != 0 }

  /// Whether it asks for an event of this queue and of a job of this type. O(names).
  func asks(
    for event: WebhookEvent, ofQueue queue: UnsafeRawBufferPointer, type: UnsafeRawBufferPointer
  ) -> Bool {
    asks(for: event) && (queues.isEmpty || queues.contains { $0.elementsEqual(queue) })
      && (types.isEmpty || WebhookEvent.ofQueues.contains(event) || types.contains { $0.elementsEqual(type) })
  }

  /// Whether all is within its bounds.
  var isPossible: Bool {
    let hasTarget = target.withUnsafeBytes { PushTarget($0) != nil }
    let areNames = (queues + types).allSatisfy { (1...Int(UInt8.max)).contains($0.count) }
    return hasTarget && areNames && events != 0 && events & ~WebhookEvent.subscribableBits == 0
      && queues.count <= Self.mostNames && types.count <= Self.mostNames && description.count <= Int(UInt8.max)
  }
}

// MARK: As bytes

extension WebhookDefinition {
  /// As it stands in the log; definitions that say the same have the same bytes.
  package var bytes: [UInt8] {
    [UInt8](unsafeUninitializedCapacity: encodedBytes) { memory, filled in
      var out = RecordWriter(at: memory.baseAddress!)
      encode(into: &out)
      filled = out.cursor - UnsafeMutableRawPointer(memory.baseAddress!)
    }
  }

  var encodedBytes: Int {
    Self.fixedBytes + target.count + description.count + (queues + types).reduce(0) { $0 + 1 + $1.count }
  }

  func encode(into out: inout RecordWriter) {
    out.put(events)
    out.put(UInt16(target.count))
    out.put(UInt8(queues.count))
    out.put(UInt8(types.count))
    out.put(UInt8(description.count))
    target.withUnsafeBytes { out.put($0) }
    for name in queues + types {
      out.put(UInt8(name.count))
      name.withUnsafeBytes { out.put($0) }
    }
    description.withUnsafeBytes { out.put($0) }
  }

  /// Nil where the bytes say nothing.
  package init?(_ bytes: UnsafeRawBufferPointer) {
    var reader = RecordReader(bytes)
    self.init(&reader)
    if !reader.isExhausted { return nil }
  }

  init?(_ reader: inout RecordReader) {
    events = reader.get()
    let targetBytes = Int(reader.get(UInt16.self))
    let (queueCount, typeCount) = (Int(reader.get(UInt8.self)), Int(reader.get(UInt8.self)))
    let descriptionBytes = Int(reader.get(UInt8.self))
    guard queueCount <= Self.mostNames, typeCount <= Self.mostNames else { return nil }
    target = [UInt8](reader.get(count: targetBytes))
    for _ in 0..<queueCount { queues.append([UInt8](reader.get(count: Int(reader.get(UInt8.self))))) }
    for _ in 0..<typeCount { types.append([UInt8](reader.get(count: Int(reader.get(UInt8.self))))) }
    description = [UInt8](reader.get(count: descriptionBytes))
    if reader.isShort { return nil }
  }
}
