import RoostCore

/// A group of a queue's jobs.
package struct GroupView: Sendable {
  /// Empty: the owner's jobs that say no group.
  package var name: String
  /// Empty: it belongs to its queue alone.
  package var owner: String
  package var waiting: Int
  package var ready: Int
  package var running: Int
  /// How long the longest-READY job has been so.
  package var oldestReadyMilliseconds: Int64?
  /// Those that were made for it alone.
  package var settings: QueueSettings
  /// Why it gives no jobs now.
  package var hold: GroupHold?
  /// Until a hold by its rate or by a worker ends.
  package var holdLeftMilliseconds: Int64?
  package var pause: QueuePause?
}

/// Which group is meant.
package struct GroupName: Sendable, Hashable {
  package var queue: String
  package var owner: String
  /// Empty: the owner's jobs that say no group.
  package var group: String

  package init(queue: String, owner: String, group: String) {
    self.queue = queue
    self.owner = owner
    self.group = group
  }
}

/// What there is, and what operators say, of groups.
extension Engine {
  /// Changes settings of a group; neither it nor its queue need have had a job.
  ///
  /// - Returns: The group as it is now; nil when nothing was said of one that does not exist.
  /// - Throws: `tooManyQueues`, `diskLow`, `memoryLow`, `draining`, and what every write may meet.
  package func configure(group name: GroupName, _ change: QueueSettingsChange) async throws(Refusal) -> GroupView? {
    var asked = AskedBytes()
    let settings = asked.add(change.settings.bytes)
    return try await self.change(name, &asked) { .settings(settings.from($0), cleared: change.clearedBits) }
  }

  /// Pauses a group, also before its first job: what is RUNNING goes on, submits are taken, nothing is leased.
  ///
  /// - Parameters:
  ///   - reason: At most 255 bytes.
  ///   - until: Wall time, milliseconds; nil: until it is resumed.
  package func pause(
    group name: GroupName, reason: String, untilMilliseconds until: Int64?
  ) async throws(Refusal) -> GroupView? {
    var asked = AskedBytes()
    let text = asked.add(reason)
    return try await change(name, &asked) { .pause(reason: text.from($0), until: until ?? 0) }
  }

  /// Ends a group's pause, if there is one.
  ///
  /// - Returns: Nil where there is no such group.
  package func resume(group name: GroupName) async throws(Refusal) -> GroupView? {
    var asked = AskedBytes()
    return try await change(name, &asked) { _ in .resume }
  }

  /// One group; nil when there is none of this name.
  package func group(_ name: GroupName) async throws(Refusal) -> GroupView? {
    var asked = AskedBytes()
    let (queue, owner, group) = asked.add(name)
    let delivery = try await ask(asked.bytes) { base in
      .readGroup(Command.ReadGroup(queue: queue.from(base), owner: owner.from(base), group: group.from(base)))
    }
    return delivery.groups.first.map { GroupView($0, delivery) }
  }

  /// Groups of a queue, those that a viewer may see, in no order.
  ///
  /// - Parameters:
  ///   - limit: 1…1,000.
  ///   - cursor: Where the page before ended; 0: from the beginning.
  /// - Returns: Also where to go on; nil at the end.
  package func groups(
    queue: String, viewer: Viewer, limit: Int, cursor: UInt32
  ) async throws(Refusal) -> (groups: [GroupView], next: UInt32?) {
    var (found, at) = ([GroupView](), cursor)
    repeat {
      var asked = AskedBytes()
      let (name, eyes) = (asked.add(queue), asked.add(viewer))
      let left = Int32(limit - found.count)
      let delivery = try await ask(asked.bytes) { base in
        var read = Command.ReadGroups(queue: name.from(base), viewer: eyes.from(base), limit: left)
        read.cursor = at
        return .readGroups(read)
      }
      guard case .groups(_, _, let next) = delivery.answer else { preconditionFailure("groups are answered as such") }
      found += delivery.groups.map { GroupView($0, delivery) }
      at = next
    } while at != 0 && found.count < limit
    return (found, at == 0 ? nil : at)
  }

  private func change(
    _ name: GroupName, _ asked: inout AskedBytes, _ change: (_ base: Int) -> Command.ChangeGroup.Change
  ) async throws(Refusal) -> GroupView? {
    let (queue, owner, group) = asked.add(name)
    let delivery = try await ask(asked.bytes) { base in
      .changeGroup(
        Command.ChangeGroup(
          queue: queue.from(base), owner: owner.from(base), group: group.from(base), change: change(base)))
    }
    return delivery.groups.first.map { GroupView($0, delivery) }
  }
}

extension AskedBytes {
  fileprivate mutating func add(_ name: GroupName) -> (queue: ByteRange, owner: ByteRange, group: ByteRange) {
    (add(name.queue), add(name.owner), add(name.group))
  }
}

extension GroupView {
  fileprivate init(_ image: GroupImage, _ delivery: Delivery) {
    self.init(
      name: delivery.text(image.name), owner: delivery.text(image.owner), waiting: Int(image.waiting),
      ready: Int(image.ready), running: Int(image.running),
      oldestReadyMilliseconds: image.oldestReady < 0 ? nil : image.oldestReady, settings: image.settings,
      hold: image.hold, holdLeftMilliseconds: image.holdLeft > 0 ? image.holdLeft : nil,
      pause: image.isPaused
        ? QueuePause(
          sinceMilliseconds: image.pausedAt, untilMilliseconds: image.pausedUntil == 0 ? nil : image.pausedUntil,
          reason: delivery.text(image.pauseReason)) : nil)
  }
}
