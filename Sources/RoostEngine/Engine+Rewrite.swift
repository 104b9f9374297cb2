import RoostCore
import RoostLog

/// A waiting job carries something else from here on: it is read, and written again with that, as compaction does.
extension Engine {
  /// - Returns: False where the job changed meanwhile, and nothing was done.
  func rewrite(_ id: JobID, _ viewer: Viewer, _ change: JobChange) async throws(Refusal) -> Bool {
    var asked = AskedBytes()
    let (seen, job) = (asked.add(viewer), try reference(id))
    let read = try await ask(asked.bytes) { base in .read(Command.Read(job: job, viewer: seen.from(base))) }
    guard case .job(let image) = read.answer else { preconditionFailure("a read is answered with a job") }
    guard image.state.isWaiting else { throw .wrongState }
    let loader = read.loader!
    let record = try await bytes(of: loader, at: image.base, image.recordBytes)
    let number = id.number.rawValue
    let carried = record.withUnsafeBytes { bytes -> (body: [UInt8], fields: [UInt8], dependencies: [UInt8])? in
      let stored = StoredRecord(bytes)
      guard let body = stored.body, let layout = JobBodyLayout(body), layout.isSound(number) else { return nil }
      return (layout.encoded(change, number), [UInt8](stored.keyFields), [UInt8](stored.dependencies))
    }
    guard let carried else { throw damaged() }
    let history = try await keptHistory(of: image, loader)
    asked = AskedBytes()
    let (again, queue) = (asked.add(viewer), asked.add(change.queue ?? ""))
    let (body, fields, entries) = (asked.add(carried.body), asked.add(carried.fields), asked.add(history))
    let waits = asked.add(carried.dependencies)
    let delivery = try await ask(asked.bytes) { base in
      var carry = Command.Carry(
        number: number, base: image.base, outcome: image.history, body: body.from(base), history: entries.from(base))
      carry.keyFields = fields.from(base)
      carry.dependencies = waits.from(base)
      var command = Command.Change(job: job, viewer: again.from(base), queue: queue.from(base))
      (command.priority, command.maxRetries, command.due) = (change.priority, change.maxRetries, change.due)
      command.rewrite = carry
      command.payloadBytes = change.payload == nil ? 0 : UInt32(clamping: change.payloadBytes)
      return .change(command)
    }
    if case .carried = delivery.answer { return false }
    return true
  }

  private func keptHistory(of image: JobImage, _ loader: RecordLoader) async throws(Refusal) -> [UInt8] {
    var parts: [[UInt8]] = []
    var next = (image.history, image.historyBytes)
    while next.0 != .none, parts.count < HistoryEntry.keptEntries {
      let record = try await bytes(of: loader, at: next.0, next.1)
      let part = record.withUnsafeBytes { bytes in
        StoredRecord(bytes).history.map { ([UInt8]($0.entries), $0.previous, $0.previousBytes) }
      }
      guard let part else { throw damaged() }
      parts.append(part.0)
      next = (part.1, part.2)
    }
    guard let kept = HistoryEntry.kept(parts, number: image.id.number.rawValue, checksum: { Checksum.of($0) }) else {
      throw damaged()
    }
    return kept
  }
}

extension JobBodyLayout {
  /// The same body with what is to be another, sealed for its job.
  fileprivate func encoded(_ change: JobChange, _ number: UInt64) -> [UInt8] {
    encoded(
      group: change.group.map { Array($0.utf8) }, tags: change.tags.map { Array($0) },
      payload: change.payload.map { Array($0) }, sealedFor: number, checksum: { Checksum.of($0) })
  }
}
