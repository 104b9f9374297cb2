/// A record that says what became of a queue, and holds nothing but its name.
protocol QueueNameRecord: LogRecord {
  var name: UnsafeRawBufferPointer { get }

  init(name: UnsafeRawBufferPointer)
}

extension QueueNameRecord {
  static var layout: [RecordField] { [1] }

  func encode(into records: inout RecordBuffer) {
    var out = records.open(Self.kind, atMost: 1 + name.count)
    out.put(name)
    records.close(out)
  }

  init(_ reader: inout RecordReader) { self.init(name: reader.rest) }

  func checkFields(_ state: borrowing StateMachine, at position: LogPosition) throws(ReplayError) {
    guard (1...Int(UInt8.max)).contains(name.count) else {
      throw .unfit("a queue's name", "\(name.count) bytes", position)
    }
  }

  func description(by describer: inout RecordDescriber) -> RecordDescription? {
    var out = RecordDescription(Self.kind)
    out.add("queue", name: name)
    return out
  }

  /// The queue, which must hold no jobs; nil where all that told of it may be trimmed away.
  func emptyQueue(in state: inout StateMachine, at position: LogPosition) throws(ReplayError) -> UInt32? {
    let queue = state.queueNames.find(name)
    guard queue != .none, state.queues[Int(queue)].exists else { return nil }
    let jobs = state.queues[Int(queue)].jobs
    guard jobs == 0 else { throw .unfit("a queue without jobs", "one with \(jobs)", position) }
    return queue
  }
}
