import Glibc
import NIOCore
import NIOPosix

/// A connection to Redis that is made again whenever it is lost, with commands in a pipeline over it.
///
/// Everything happens on one event loop and nothing there blocks. Every command ends within its time limit, whatever
/// Redis does; a late, malformed or unexpected reply ends the connection, because what follows could be misread.
final class RedisLink: Sendable {
  /// What its owner may want to know.
  enum Event: Sendable {
    /// Commands go through; what was subscribed is heard again.
    case up
    /// Said once for each new reason.
    case down(String)
    /// Something was published.
    case message
  }

  private enum Phase {
    case connecting
    /// Connected; who we are is being said.
    case greeting(any Channel)
    case ready(any Channel)
    /// A pause before the next attempt: commands are refused for this reason.
    case pausing(String)
    case closed
  }

  private struct State {
    var phase = Phase.connecting
    /// Rises with every attempt to connect.
    var generation: UInt64 = 0
    /// Attempts and connections lost in a row without an answer in between.
    var failures = 0
    var pipeline = RedisPipeline()
    var isTimerSet = false
    var isFlushDue = false
    var reportedReason: String?
  }

  private let address: RedisAddress
  private let limits: RedisLimits
  /// The channel to listen to; such a link carries no other commands.
  private let subscription: String?
  private let report: @Sendable (Event) -> Void
  private let loop: any EventLoop
  private let box: NIOLoopBoundBox<State>

  /// Begins to connect.
  ///
  /// - Parameter report: Called on the event loop: it must be quick.
  init(
    _ address: RedisAddress, limits: RedisLimits, loop: any EventLoop, subscription: String? = nil,
    report: @escaping @Sendable (Event) -> Void
  ) {
    self.address = address
    self.limits = limits
    self.subscription = subscription
    self.report = report
    self.loop = loop
    box = .makeBoxSendingValue(State(), eventLoop: loop)
    loop.execute { self.connect() }
  }

  /// Sends the commands together and waits for all their answers. Errors among them are answers.
  ///
  /// - Parameter generation: The connection on which they make sense; on another they are refused.
  /// - Throws: `.unreachable`; if they were sent, it is not known whether they were done.
  func send(
    _ commands: [RedisCommand], on generation: UInt64? = nil
  ) async throws(KeyStoreError) -> RedisReplies {
    let deadline = NIODeadline.now() + TimeAmount(limits.command)
    let result: Result<RedisReplies, KeyStoreError> = await withCheckedContinuation { continuation in
      loop.execute {
        self.submit(
          RedisPipeline.Batch(commands, deadline: deadline, generation: generation) {
            continuation.resume(returning: $0)
          })
      }
    }
    return try result.get()
  }

  /// Drops a connection that carried a reply which cannot be right.
  func distrust(_ generation: UInt64, _ reason: String) {
    loop.execute { self.lose(generation, reason) }
  }

  /// Ends the connection and refuses what is unanswered and what comes later.
  func close() {
    loop.execute {
      let channel = self.channel
      self.box.value.phase = .closed
      self.box.value.generation += 1
      self.failAll("the connection to Redis was closed")
      channel?.close(promise: nil)
    }
  }

  // MARK: Connecting

  private func connect() {
    if case .closed = box.value.phase { return }
    box.value.phase = .connecting
    box.value.generation += 1
    let generation = box.value.generation
    ClientBootstrap(group: loop)
      .connectTimeout(TimeAmount(limits.connect))
      .channelInitializer { channel in
        channel.eventLoop.makeCompletedFuture {
          try channel.pipeline.syncOperations.addHandler(RedisReplyHandler(link: self, generation: generation))
        }
      }
      .connect(host: address.host, port: address.port)
      .whenComplete { result in
        switch result {
        case .success(let channel): self.greet(channel, generation)
        case .failure(let error): self.lose(generation, self.reason(error))
        }
      }
  }

  /// Says who we are and what we want to hear; only then do others' commands go out.
  private func greet(_ channel: any Channel, _ generation: UInt64) {
    guard generation == box.value.generation else { return channel.close(promise: nil) }
    box.value.phase = .greeting(channel)
    var greeting: [RedisCommand] = []
    if let password = address.password {
      greeting.append(RedisCommand(["AUTH"] + (address.user.map { [$0] } ?? []) + [password.reveal()]))
    }
    if address.database != 0 { greeting.append(RedisCommand("SELECT", "\(address.database)")) }
    greeting.append(RedisCommand("PING"))
    if let subscription { greeting.append(RedisCommand("SUBSCRIBE", subscription)) }
    let names = greeting.map(\.name)
    let deadline = NIODeadline.now() + TimeAmount(limits.command)
    write(
      RedisPipeline.Batch(greeting, deadline: deadline) { result in
        guard case .success(let answer) = result else { return }
        for (name, reply) in zip(names, answer.replies) {
          if let code = reply.errorCode { return self.lose(generation, RedisRefusal.text(name, code)) }
        }
        self.begin(channel)
      }, to: channel)
  }

  private func begin(_ channel: any Channel) {
    box.value.phase = .ready(channel)
    box.value.reportedReason = nil
    report(.up)
    while let batch = box.value.pipeline.popWaiting() { submit(batch) }
    schedulePing(box.value.generation)
  }

  /// Ends this connection or attempt, if it is still the current one, and begins the next.
  fileprivate func lose(_ generation: UInt64, _ reason: String) {
    guard generation == box.value.generation else { return }
    let wasReady: Bool
    switch box.value.phase {
    case .closed, .pausing: return
    case .ready: wasReady = true
    case .connecting, .greeting: wasReady = false
    }
    let channel = channel
    box.value.phase = .pausing(reason)
    channel?.close(promise: nil)
    failAll(reason)
    if box.value.reportedReason != reason {
      box.value.reportedReason = reason
      report(.down(reason))
    }
    box.value.failures += 1
    // A connection that worked until now is worth one attempt at once: Redis may just have been restarted.
    if wasReady, box.value.failures == 1 { return connect() }
    let pause = limits.pause(after: box.value.failures, random: .random(in: 0..<1))
    loop.scheduleTask(in: TimeAmount(pause)) {
      if generation == self.box.value.generation { self.connect() }
    }
  }

  private func reason(_ error: any Error) -> String {
    let place = "\(address.host):\(address.port)"
    guard let error = error as? NIOConnectionError else {
      if case .connectTimeout = error as? ChannelError {
        return "\(place) accepted no connection within \(limits.connect)"
      }
      return "\(place) cannot be connected to: \(systemText(error))"
    }
    if let first = error.connectionErrors.first {
      return "\(place) cannot be connected to: \(systemText(first.error))"
    }
    return "the name \(address.host) cannot be resolved"
  }

  // MARK: Commands

  private func submit(_ batch: RedisPipeline.Batch) {
    if let generation = batch.generation, generation != box.value.generation {
      return batch.completion(.failure(.unreachable("the connection to Redis was lost meanwhile: try again")))
    }
    guard box.value.pipeline.commandCount + batch.count <= limits.commandsInFlight else {
      return batch.completion(.failure(.unreachable("too many questions to Redis are unanswered")))
    }
    switch box.value.phase {
    case .ready(let channel): write(batch, to: channel)
    case .connecting, .greeting:
      box.value.pipeline.await(batch)
      setTimer()
    case .pausing(let reason): batch.completion(.failure(.unreachable(reason)))
    case .closed: batch.completion(.failure(.unreachable("the connection to Redis was closed")))
    }
  }

  private func write(_ batch: RedisPipeline.Batch, to channel: any Channel) {
    box.value.pipeline.noteSent(batch)
    channel.write(batch.bytes, promise: nil)
    setTimer()
    guard !box.value.isFlushDue else { return }
    // What was asked in the same turn of the loop goes out in one call to the system.
    box.value.isFlushDue = true
    loop.execute {
      self.box.value.isFlushDue = false
      self.channel?.flush()
    }
  }

  fileprivate func receive(_ reply: RedisReply, _ generation: UInt64) throws(RedisReplyReader.Malformed) {
    guard generation == box.value.generation else { return }
    if subscription != nil, case .array(let parts) = reply, parts.first == .bytes(Array("message".utf8)) {
      return report(.message)
    }
    guard let batch = try box.value.pipeline.receive(reply) else { return }
    // The greeting alone does not count: something that only greets and hangs up must not be called in a circle.
    if case .ready = box.value.phase { box.value.failures = 0 }
    batch.completion(.success(RedisReplies(replies: batch.replies, generation: generation)))
  }

  private func failAll(_ reason: String) {
    for batch in box.value.pipeline.removeAll() { batch.completion(.failure(.unreachable(reason))) }
  }

  // MARK: Time

  /// One timer, for the oldest unanswered batch.
  private func setTimer() {
    guard !box.value.isTimerSet, let deadline = box.value.pipeline.nextDeadline else { return }
    box.value.isTimerSet = true
    loop.scheduleTask(deadline: deadline) {
      self.box.value.isTimerSet = false
      self.endLate(.now())
      self.setTimer()
    }
  }

  private func endLate(_ now: NIODeadline) {
    let reason = "Redis did not answer within \(limits.command)"
    if box.value.pipeline.isAnswerLate(at: now) { return lose(box.value.generation, reason) }
    for batch in box.value.pipeline.removeLateWaiting(at: now) { batch.completion(.failure(.unreachable(reason))) }
  }

  private func schedulePing(_ generation: UInt64) {
    loop.scheduleTask(in: TimeAmount(limits.ping)) {
      guard generation == self.box.value.generation, case .ready(let channel) = self.box.value.phase else { return }
      let deadline = NIODeadline.now() + TimeAmount(self.limits.command)
      self.write(
        RedisPipeline.Batch([RedisCommand("PING")], deadline: deadline) { result in
          if case .success = result { self.schedulePing(generation) }
        }, to: channel)
    }
  }

  private var channel: (any Channel)? {
    switch box.value.phase {
    case .greeting(let channel), .ready(let channel): channel
    case .connecting, .pausing, .closed: nil
    }
  }
}

/// Hands whole replies to the link, and its end.
private final class RedisReplyHandler: ChannelInboundHandler {
  typealias InboundIn = ByteBuffer

  private let link: RedisLink
  private let generation: UInt64
  private let reader = RedisReplyReader()

  init(link: RedisLink, generation: UInt64) {
    self.link = link
    self.generation = generation
  }

  func channelRead(context: ChannelHandlerContext, data: NIOAny) {
    do throws(RedisReplyReader.Malformed) {
      try reader.feed(unwrapInboundIn(data))
      while let reply = try reader.next() { try link.receive(reply, generation) }
    } catch {
      link.lose(generation, "Redis answered with something that is not its protocol")
      context.close(promise: nil)
    }
  }

  func channelInactive(context: ChannelHandlerContext) {
    link.lose(generation, "Redis closed the connection")
    context.fireChannelInactive()
  }

  func errorCaught(context: ChannelHandlerContext, error: any Error) {
    link.lose(generation, "the connection to Redis broke: \(systemText(error))")
    context.close(promise: nil)
  }
}

/// What the system says of a failed call, without the call.
private func systemText(_ error: any Error) -> String {
  (error as? IOError).map { String(cString: strerror($0.errnoCode)) } ?? "\(error)"
}
