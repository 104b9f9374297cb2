import RoostCore
import Synchronization

/// Commands that an event loop gathers in one turn, and the bytes that they point into.
///
/// `@unchecked Sendable`: it belongs to its lane until it is posted, then to the writer, until the lane gets it back.
final class LaneBatch: @unchecked Sendable {
  /// The place of its lane.
  let lane: Int
  fileprivate(set) var commands: [Command] = []
  fileprivate(set) var tickets: [UInt64] = []
  fileprivate(set) var arena = Arena()

  fileprivate init(lane: Int) { self.lane = lane }

  fileprivate func removeAll() {
    commands.removeAll(keepingCapacity: true)
    tickets.removeAll(keepingCapacity: true)
    arena.removeAll()
  }
}

/// Answers of one commit on their way to a lane.
///
/// `@unchecked Sendable`: filled by the writer, read by the loop once it was handed over.
package final class LaneAnswers: @unchecked Sendable {
  /// A ticket's answers come in the order of its commands.
  package fileprivate(set) var replies: [Reply] = []
  /// Leases of `.leasedMany` answers.
  package fileprivate(set) var grants: [Answer.Grant] = []
  /// Reads the records that leases name; holding it keeps their segments.
  package fileprivate(set) var loader: RecordLoader?
  /// The engine has ended: nothing else comes, and every open ticket is answered with this.
  package fileprivate(set) var end: Refusal?
  fileprivate var spent: [LaneBatch] = []

  fileprivate var isEmpty: Bool { replies.isEmpty && spent.isEmpty && end == nil }
}

/// Where one event loop leaves commands for the writer, and gets their answers back: one posting a turn of the loop, one
/// crossing a commit and lane.
///
/// All methods but those for the writer are called on the loop. A ticket is the caller's address for an answer, 56 bits;
/// it must not be used again while an answer is owed.
///
/// `@unchecked Sendable`: `filling`, `free` and `isPostDue` belong to the loop, `answers` to the writer's thread.
package final class Lane: @unchecked Sendable {
  /// Runs something on the loop, behind what the loop is doing.
  package typealias Execute = @Sendable (@escaping @Sendable () -> Void) -> Void

  /// Told tickets from those of askers.
  static let mark: UInt64 = 1 << 63
  static let ticketBits: UInt64 = 56
  static let mostLanes = 127

  private let mailbox: Mailbox
  private let place: Int
  /// It outlives whoever asks: the server that owns the loop's connections holds it.
  private unowned let engine: Engine
  private let execute: Execute
  private let deliver: @Sendable (LaneAnswers) -> Void

  private var filling: LaneBatch
  private var free: [LaneBatch] = []
  private var isPostDue = false
  private var asked = AskedBytes()

  private var answers = LaneAnswers()

  init(_ engine: Engine, place: Int, execute: @escaping Execute, deliver: @escaping @Sendable (LaneAnswers) -> Void) {
    self.engine = engine
    mailbox = engine.mailbox
    self.place = place
    filling = LaneBatch(lane: place)
    self.execute = execute
    self.deliver = deliver
  }

  // MARK: Commands

  /// Asks for a job to be accepted.
  package func submit(_ spec: JobSpec, owner: String, ticket: UInt64) {
    let (command, bytes) = engine.encode(spec, owner: owner)
    add(bytes, ticket) { base in .submit(command.from(base)) }
  }

  /// Asks for a job, without waiting for one.
  package func lease(_ request: LeaseRequest, ticket: UInt64) {
    asked.removeAll()
    let (queues, worker) = (asked.add(list: request.queues), asked.add(request.workerID))
    let key = asked.add(request.keyID)
    add(asked.bytes, ticket) { base in
      var lease = Command.Lease(
        queues: queues.from(base), worker: worker.from(base), keyID: key.from(base),
        leaseMilliseconds: request.leaseMilliseconds ?? 0, waitMilliseconds: 0)
      lease.isListed = request.isListed
      return .lease(lease)
    }
  }

  /// Ends an attempt, and leases the worker's next job if that is asked for: then two answers come.
  ///
  /// - Throws: `jobNotFound`, at once and without an answer.
  package func finish(
    _ end: AttemptEnd, keyID: String, viewer: Viewer, next: LeaseRequest? = nil, ticket: UInt64
  ) throws(Refusal) {
    let job = try engine.reference(end.id)
    asked.removeAll()
    let (viewer, key) = (asked.add(viewer), asked.add(keyID))
    let command = engine.encode(end, job, viewer, key, &asked)
    let (queues, worker) = (asked.add(list: next?.queues ?? []), asked.add(next?.workerID ?? ""))
    let base = filling.arena.append(asked.bytes)
    add(.finish(command.from(base)), ticket)
    guard let next else { return }
    var lease = Command.Lease(
      queues: queues.from(base), worker: worker.from(base), keyID: key.from(base),
      leaseMilliseconds: next.leaseMilliseconds ?? 0, waitMilliseconds: 0)
    lease.isListed = next.isListed
    lease.isNext = true
    add(.lease(lease), ticket)
  }

  /// Keeps a lease.
  ///
  /// - Throws: `jobNotFound`, at once and without an answer.
  package func extend(_ extension: LeaseExtension, viewer: Viewer, ticket: UInt64) throws(Refusal) {
    let job = try engine.reference(`extension`.id)
    asked.removeAll()
    let viewer = asked.add(viewer)
    let command = `extension`.command(job, viewer, &asked)
    add(asked.bytes, ticket) { base in .extend(command.from(base)) }
  }

  private func add(_ bytes: [UInt8], _ ticket: UInt64, _ command: (_ base: Int) -> Command) {
    add(command(filling.arena.append(bytes)), ticket)
  }

  private func add(_ command: Command, _ ticket: UInt64) {
    filling.commands.append(command)
    filling.tickets.append(Self.mark | UInt64(place) << Self.ticketBits | ticket)
    guard !isPostDue else { return }
    isPostDue = true
    execute { [self] in post() }
  }

  /// The ticket as its caller gave it.
  package static func ticket(_ marked: UInt64) -> UInt64 { marked & (1 << ticketBits - 1) }

  /// Leaves what was gathered in this turn with the writer.
  private func post() {
    isPostDue = false
    guard !filling.commands.isEmpty else { return }
    let batch = filling
    filling = free.popLast() ?? LaneBatch(lane: place)
    guard let refusal = mailbox.post(batch) else { return }
    let refused = LaneAnswers()
    refused.replies = batch.tickets.map { Reply(ticket: $0, answer: .refused(refusal)) }
    refused.spent = [batch]
    receive(refused)
  }

  private func receive(_ answers: LaneAnswers) {
    // What was gathered in this turn hears the end with everything else.
    if answers.end != nil { filling.removeAll() }
    for batch in answers.spent {
      batch.removeAll()
      if free.count < 2 { free.append(batch) }
    }
    deliver(answers)
  }

  // MARK: The writer's side

  /// Takes an answer that is durable.
  func take(_ reply: Reply, grants: [Answer.Grant], loader: @autoclosure () -> RecordLoader) {
    switch reply.answer {
    case .leased: if answers.loader == nil { answers.loader = loader() }
    case .leasedMany(let first, let count):
      if answers.loader == nil { answers.loader = loader() }
      let moved = Int32(answers.grants.count)
      answers.grants += grants[Int(first)..<Int(first + count)]
      answers.replies.append(Reply(ticket: reply.ticket, answer: .leasedMany(first: moved, count: count)))
      return
    default: break
    }
    answers.replies.append(reply)
  }

  /// Every command of the batch was decided and is durable.
  func giveBack(_ batch: LaneBatch) { answers.spent.append(batch) }

  /// Hands over what was taken since the last time.
  func handOver() {
    guard !answers.isEmpty else { return }
    let full = answers
    answers = LaneAnswers()
    execute { [self] in receive(full) }
  }

  /// Nothing else comes.
  func end(_ refusal: Refusal) {
    answers.end = refusal
    handOver()
  }
}

extension Engine {
  /// A lane for an event loop.
  ///
  /// - Parameters:
  ///   - execute: Runs something on the loop.
  ///   - deliver: Called on the loop with each commit's answers.
  package func makeLane(
    execute: @escaping Lane.Execute, deliver: @escaping @Sendable (LaneAnswers) -> Void
  ) -> Lane {
    mailbox.open { place in Lane(self, place: place, execute: execute, deliver: deliver) }
  }
}
