import Foundation
import Logging
import NIOCore
import NIOPosix
import RoostAPI
import Synchronization

/// The key store in Redis, which several daemons may share.
///
/// One connection carries questions and changes, a second hears what anyone changes and flushes the caches at once.
/// While that one is down caches live by their age limits, and they are flushed when it is back. While Redis is down
/// everything here throws `.unreachable` within a bounded time.
package final class RedisKeyStore: KeyStore {
  /// Whether a record that comes from another store is in this one.
  package enum Adoption: Sendable, Equatable {
    case added
    /// It stood here already.
    case present
    /// It stood here already, and only there it was revoked: now it is here, too.
    case revoked
    /// Another key has its id.
    case conflict
  }

  /// What a change is to do, once it has seen what stands.
  enum Decision<Value: Sendable>: Sendable {
    case leave(Value)
    case write([RedisCommand], Value)
  }

  /// Redis tells of changes by itself.
  package let checkInterval: Duration? = nil
  package let place: String

  let commands: RedisLink
  private let listener: RedisLink?
  private let handlers: ChangeHandlers
  private let turns = RedisTurns()
  private let isClosed = Atomic(false)
  private let hasSeenKey = Atomic(false)

  /// Begins to connect; it need not succeed.
  ///
  /// - Parameters:
  ///   - listens: Whether to hear of changes made elsewhere; a command that soon ends need not.
  ///   - logger: Told when Redis is lost and found again.
  package init(
    _ address: RedisAddress, limits: RedisLimits = RedisLimits(), listens: Bool = true, logger: Logger? = nil,
    group: any EventLoopGroup = MultiThreadedEventLoopGroup.singleton
  ) {
    let handlers = ChangeHandlers()
    let loop = group.next()
    let shown = "\(address)"
    place = "redis://\(address.host):\(address.port)/\(address.database)"
    commands = RedisLink(address, limits: limits, loop: loop) { event in
      switch event {
      case .up: logger?.notice("connected to Redis", metadata: ["redis": "\(shown)"])
      case .down(let reason):
        logger?.error("Redis cannot be reached", metadata: ["redis": "\(shown)", "reason": "\(reason)"])
      case .message: break
      }
    }
    listener =
      listens
      ? RedisLink(address, limits: limits, loop: loop, subscription: RedisKeyModel.changes) { event in
        switch event {
        // What was changed before it listened again was not heard.
        case .up, .message: handlers.call()
        case .down(let reason):
          logger?.info("changes of keys are not heard for now", metadata: ["reason": "\(reason)"])
        }
      } : nil
    self.handlers = handlers
  }

  deinit { close() }

  /// Ends both connections; what is asked from then on throws.
  package func close() {
    guard !isClosed.exchange(true, ordering: .relaxed) else { return }
    commands.close()
    listener?.close()
  }

  package func onChange(_ handler: @escaping @Sendable () -> Void) {
    handlers.add(handler)
  }

  // MARK: Reading

  package func find(_ id: String) async throws(KeyStoreError) -> KeyRecord? {
    // No other text was ever stored as an id; and one that is no id may be a whole key, not to be named in errors.
    guard APIKey.isID(id.utf8) else { return nil }
    return try await look(id)
  }

  /// The sets are asked together with the hash, and before it: a hash may have been evicted or deleted while its id
  /// still stands in a set, and then the key is not unknown; and a key that is made in between is found. It is one
  /// question whatever stands there, so that its time does not tell whether there is such an id.
  private func look(_ id: String) async throws(KeyStoreError) -> KeyRecord? {
    let questions = [
      RedisCommand("SISMEMBER", RedisKeyModel.active, id), RedisCommand("SISMEMBER", RedisKeyModel.revoked, id),
      RedisCommand("HGETALL", RedisKeyModel.hash(id)),
    ]
    let answer = try await commands.send(questions)
    // The hash's own error first: what is wrong with a set does not harm a record that is there.
    for place in [2, 0, 1] {
      if let code = answer.replies[place].errorCode { throw refusal(questions[place], code, answer) }
      if place == 2, let record = try record(id, answer, at: 2) { return record }
    }
    guard answer.replies[0] == .integer(0), answer.replies[1] == .integer(0) else { throw Self.missing(id) }
    return nil
  }

  /// Two round trips and one more for each 256 keys, whatever their number: the ids, then their hashes in pipelines.
  package func list(owner: Name?) async throws(KeyStoreError) -> KeyListing {
    let question =
      owner.map { RedisCommand("SMEMBERS", RedisKeyModel.owner($0)) }
      ?? RedisCommand("SUNION", RedisKeyModel.active, RedisKeyModel.revoked)
    let (ids, foreign) = try await members(question)
    var records: [KeyRecord] = []
    var unreadable: [KeyStoreError] = []
    records.reserveCapacity(ids.count)
    for start in stride(from: 0, to: ids.count, by: 256) {
      let chunk = ids[start..<min(start + 256, ids.count)]
      let questions = chunk.map { RedisCommand("HGETALL", RedisKeyModel.hash($0)) }
      let answers = try await commands.send(questions)
      for (place, id) in chunk.enumerated() {
        do throws(KeyStoreError) {
          if let code = answers.replies[place].errorCode { throw refusal(questions[place], code, answers) }
          guard let record = try record(id, answers, at: place) else { throw Self.missing(id) }
          if owner == nil || record.ownerID == owner { records.append(record) }
        } catch {
          guard error.isOfOneRecord else { throw error }
          unreadable.append(error)
        }
      }
    }
    var listing = KeyListing(records)
    listing.unreadable = unreadable
    listing.foreign = foreign
    return listing
  }

  /// The ids among a set's members, and how many members are none.
  private func members(_ question: RedisCommand) async throws(KeyStoreError) -> (ids: [String], foreign: Int) {
    let members = try array(try await ask([question]), at: 0, of: question)
    let ids = members.compactMap { member in member.text.flatMap { APIKey.isID($0.utf8) ? $0 : nil } }
    return (ids, members.count - ids.count)
  }

  /// Whether no key of Roost's stands there. Members of another system's are looked through only until one of Roost's
  /// was seen among them.
  package func isEmpty() async throws(KeyStoreError) -> Bool {
    let sets = [RedisKeyModel.active, RedisKeyModel.revoked]
    guard try await count(sets) > 0 else {
      hasSeenKey.store(false, ordering: .relaxed)
      return true
    }
    if hasSeenKey.load(ordering: .relaxed) { return false }
    let isEmpty = try await members(RedisCommand(["SUNION"] + sets)).ids.isEmpty
    if !isEmpty { hasSeenKey.store(true, ordering: .relaxed) }
    return isEmpty
  }

  /// Asks for a key that cannot be: its id is one, and no record is ever made under it.
  package func check() async throws(KeyStoreError) {
    _ = try await look(String(repeating: "0", count: APIKey.idLength))
  }

  // MARK: Changing

  package func create(_ record: KeyRecord) async throws(KeyStoreError) {
    let isNew = try await change(watching: [RedisKeyModel.hash(record.id)]) { () throws(KeyStoreError) in
      let answer = try await self.ask([RedisCommand("EXISTS", RedisKeyModel.hash(record.id))])
      guard case .integer(0) = answer.replies[0] else { return .leave(false) }
      try await self.checkSets(for: [record])
      return .write(RedisKeyModel.creation(record), true)
    }
    guard isNew else { throw .duplicate(id: record.id) }
  }

  package func createFirst(_ records: [KeyRecord]) async throws(KeyStoreError) -> Bool {
    try await change(watching: [RedisKeyModel.active, RedisKeyModel.revoked]) { () throws(KeyStoreError) in
      guard try await self.isEmpty() else { return .leave(false) }
      try await self.checkSets(for: records)
      return .write(records.flatMap(RedisKeyModel.creation), true)
    }
  }

  package func revoke(_ id: String, at date: Date) async throws(KeyStoreError) -> KeyRecord? {
    try await change(watching: [RedisKeyModel.hash(id)]) { () throws(KeyStoreError) in
      guard var record = try await self.find(id) else { return .leave(nil) }
      guard record.revokedAt == nil else { return .leave(record) }
      record.revoke(at: date)
      return .write(RedisKeyModel.revocation(id, at: date), record)
    }
  }

  /// Takes over a record from another store, unchanged, its revocation included. Doing it again changes nothing.
  package func adopt(_ record: KeyRecord) async throws(KeyStoreError) -> Adoption {
    try await change(watching: [RedisKeyModel.hash(record.id)]) { () throws(KeyStoreError) in
      guard let found = try await self.find(record.id) else {
        try await self.checkSets(for: [record])
        return .write(RedisKeyModel.creation(record), .added)
      }
      guard found.isSameKey(as: record) else { return .leave(.conflict) }
      if let date = record.revokedAt, found.revokedAt == nil {
        return .write(RedisKeyModel.revocation(record.id, at: date), .revoked)
      }
      return .leave(.present)
    }
  }

  /// Looks, decides, and writes all or nothing (MULTI/EXEC), unless what it looked at was changed meanwhile (WATCH):
  /// then it begins again. One change at a time: on one connection, the EXEC of one would end the WATCH of another.
  func change<Value: Sendable>(
    watching watched: [String], decide: @Sendable () async throws(KeyStoreError) -> Decision<Value>
  ) async throws(KeyStoreError) -> Value {
    try await turns.take()
    defer { turns.give() }
    for _ in 0..<32 {
      let watch = try await ask([RedisCommand(["WATCH"] + watched)])
      let writes: [RedisCommand]
      let value: Value
      do throws(KeyStoreError) {
        switch try await decide() {
        case .leave(let value):
          _ = try? await commands.send([RedisCommand("UNWATCH")], on: watch.generation)
          return value
        case .write(let commands, let outcome): (writes, value) = (commands, outcome)
        }
      } catch {
        _ = try? await commands.send([RedisCommand("UNWATCH")], on: watch.generation)
        throw error
      }
      // Flushed also when the answer is lost: the change may have been made.
      defer { handlers.call() }
      if try await execute(writes, on: watch.generation) { return value }
    }
    throw .unreachable("the key is being changed by others again and again: try again")
  }

  /// - Returns: False if what was watched has changed: then nothing was written.
  private func execute(_ writes: [RedisCommand], on generation: UInt64) async throws(KeyStoreError) -> Bool {
    let all = [RedisCommand("MULTI")] + writes + [RedisCommand("EXEC")]
    let answer = try await commands.send(all, on: generation)
    for (command, reply) in zip(all, answer.replies) {
      if let code = reply.errorCode { throw refusal(command, code, answer) }
    }
    switch answer.replies[all.count - 1] {
    case .null: return false
    case .array(let results) where results.count == writes.count:
      for (command, result) in zip(writes, results) {
        if let code = result.errorCode { throw refusal(command, code, answer) }
      }
      return true
    default: throw unexpected("EXEC", answer)
    }
  }

  /// A set of another type would fail inside of EXEC, when other commands of it are done already.
  func checkSets(for records: [KeyRecord]) async throws(KeyStoreError) {
    var names = [RedisKeyModel.active, RedisKeyModel.revoked]
    for record in records { names += [RedisKeyModel.owner(record.ownerID), RedisKeyModel.type(record.type)] }
    let answer = try await ask(names.map { RedisCommand("TYPE", $0) })
    for (name, reply) in zip(names, answer.replies) where reply != .status("set") && reply != .status("none") {
      throw .damaged(record: "\(name) in Redis", reason: "is not a set")
    }
  }

  // MARK: Answers

  private func record(_ id: String, _ answer: RedisReplies, at place: Int) throws(KeyStoreError) -> KeyRecord? {
    let parts = try array(answer, at: place, of: RedisCommand("HGETALL", RedisKeyModel.hash(id)))
    guard parts.count.isMultiple(of: 2) else { throw unexpected("HGETALL", answer) }
    return try RedisKeyModel.record(id, parts)
  }

  /// How many members these sets have together.
  private func count(_ sets: [String]) async throws(KeyStoreError) -> Int64 {
    let answer = try await ask(sets.map { RedisCommand("SCARD", $0) })
    var sum: Int64 = 0
    for reply in answer.replies {
      guard case .integer(let count) = reply else { throw unexpected("SCARD", answer) }
      sum += count
    }
    return sum
  }

  func array(
    _ answer: RedisReplies, at place: Int, of command: RedisCommand
  ) throws(KeyStoreError) -> [RedisReply] {
    guard case .array(let parts) = answer.replies[place] else { throw unexpected(command.name, answer) }
    return parts
  }

  /// Asks and refuses any error among the answers.
  func ask(_ questions: [RedisCommand]) async throws(KeyStoreError) -> RedisReplies {
    let answer = try await commands.send(questions)
    for (question, reply) in zip(questions, answer.replies) {
      if let code = reply.errorCode { throw refusal(question, code, answer) }
    }
    return answer
  }

  func refusal(_ command: RedisCommand, _ code: String, _ answer: RedisReplies) -> KeyStoreError {
    if RedisRefusal.endsConnection(code) {
      commands.distrust(answer.generation, RedisRefusal.text(command.name, code))
    }
    if code == "WRONGTYPE" { return .damaged(record: "\(command.words[1]) in Redis", reason: "is of another type") }
    return .refused(command: command.name, code: code)
  }

  /// An answer of a shape that its command does not have: replies and commands may have come apart.
  func unexpected(_ command: String, _ answer: RedisReplies) -> KeyStoreError {
    let reason = "Redis answered \(command) with something else than it asked for"
    commands.distrust(answer.generation, reason)
    return .unreachable(reason)
  }

  private static func missing(_ id: String) -> KeyStoreError {
    RedisKeyModel.damage(id, "is gone, though its id stands in a set of keys")
  }
}

/// Who is told of changes. Apart from the store, so that its connections do not hold on to it.
private final class ChangeHandlers: Sendable {
  private let handlers = Mutex<[@Sendable () -> Void]>([])

  func add(_ handler: @escaping @Sendable () -> Void) { handlers.withLock { $0.append(handler) } }

  func call() { for handler in handlers.withLock({ $0 }) { handler() } }
}
