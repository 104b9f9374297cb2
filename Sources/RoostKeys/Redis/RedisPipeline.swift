import NIOCore

/// What was asked of one connection and is not answered yet: a value with no socket and no clock of its own.
/// Replies come in the order of the commands, so the oldest batch is always the next to be answered.
struct RedisPipeline {
  /// Commands sent together, and what becomes of their answers.
  struct Batch {
    let bytes: ByteBuffer
    let count: Int
    let deadline: NIODeadline
    /// The one connection on which it makes sense; nil for any.
    let generation: UInt64?
    let completion: (Result<RedisReplies, KeyStoreError>) -> Void
    fileprivate(set) var replies: [RedisReply] = []

    init(
      _ commands: [RedisCommand], deadline: NIODeadline, generation: UInt64? = nil,
      completion: @escaping (Result<RedisReplies, KeyStoreError>) -> Void
    ) {
      var bytes = ByteBuffer()
      for command in commands { command.write(into: &bytes) }
      self.bytes = bytes
      count = commands.count
      self.deadline = deadline
      self.generation = generation
      self.completion = completion
    }
  }

  /// Sent, the oldest first.
  private var sent = CircularBuffer<Batch>()
  /// Waiting for a connection, the oldest first.
  private var waiting = CircularBuffer<Batch>()
  /// Commands in both.
  private(set) var commandCount = 0

  mutating func await(_ batch: Batch) {
    commandCount += batch.count
    waiting.append(batch)
  }

  mutating func noteSent(_ batch: Batch) {
    commandCount += batch.count
    sent.append(batch)
  }

  /// Takes the oldest batch that waits for a connection.
  mutating func popWaiting() -> Batch? {
    guard let batch = waiting.popFirst() else { return nil }
    commandCount -= batch.count
    return batch
  }

  /// Files a reply under the oldest unanswered command.
  ///
  /// - Returns: The batch, if this was its last reply; nil for none.
  /// - Throws: If nothing was asked.
  mutating func receive(_ reply: RedisReply) throws(RedisReplyReader.Malformed) -> Batch? {
    guard !sent.isEmpty else { throw RedisReplyReader.Malformed() }
    sent[sent.startIndex].replies.append(reply)
    guard sent[sent.startIndex].replies.count == sent[sent.startIndex].count else { return nil }
    let batch = sent.removeFirst()
    commandCount -= batch.count
    return batch
  }

  /// Everything unanswered, taken out.
  mutating func removeAll() -> [Batch] {
    defer { self = RedisPipeline() }
    return Array(sent) + Array(waiting)
  }

  /// When the oldest unanswered batch is too late; nil if there is none.
  var nextDeadline: NIODeadline? {
    [sent.first?.deadline, waiting.first?.deadline].compactMap { $0 }.min()
  }

  func isAnswerLate(at now: NIODeadline) -> Bool {
    sent.first.map { $0.deadline <= now } ?? false
  }

  /// Takes out what waited too long for a connection.
  mutating func removeLateWaiting(at now: NIODeadline) -> [Batch] {
    var late: [Batch] = []
    while let first = waiting.first, first.deadline <= now, let batch = popWaiting() { late.append(batch) }
    return late
  }
}
