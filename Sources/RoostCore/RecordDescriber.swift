/// Puts records into words, one after another in the order of the log.
/// From `ground` it learns the key that job ids are sealed with, so that jobs carry their public ids.
package struct RecordDescriber {
  private var secret: SipKey?

  package init() {}

  /// Describes one record; never traps, whatever the bytes are.
  ///
  /// - Parameter record: Its content, without the length before it.
  package mutating func describe(_ record: UnsafeRawBufferPointer) -> RecordDescription {
    var reader = RecordReader(record)
    let raw = reader.get(UInt8.self)
    guard !record.isEmpty, let kind = RecordKind(rawValue: raw) else { return unreadable("unknown", record) }
    let described: RecordDescription? =
      switch kind {
      case .ground: ground(GroundEvent(&reader))
      case .booted: booted(BootedEvent(&reader))
      case .submitted: SubmittedEvent(&reader).flatMap(submitted)
      case .leased: leased(LeasedEvent(&reader))
      case .ended: EndedEvent(&reader).map(ended)
      case .extended: extended(ExtendedEvent(&reader))
      case .readied: readied(ReadiedEvent(&reader))
      case .purged: purged(PurgedEvent(&reader))
      case .keyForgotten: keyForgotten(KeyForgottenEvent(&reader))
      case .carried: CarriedEvent(&reader).flatMap(carried)
      case .carriedStub: carriedStub(CarriedStubEvent(&reader))
      case .carriedQueue: carriedQueue(CarriedQueueEvent(&reader))
      case .queueForgotten: queueForgotten(QueueForgottenEvent(&reader))
      case .queueConfigured: QueueConfiguredEvent(&reader).map(queueConfigured)
      case .queuePaused: queuePaused(QueuePausedEvent(&reader))
      case .queueResumed: queueResumed(QueueResumedEvent(&reader))
      case .reported: reported(ReportedEvent(&reader))
      }
    guard let described, !reader.isShort else { return unreadable("\(kind)", record) }
    return described
  }

  private func unreadable(_ kind: String, _ record: UnsafeRawBufferPointer) -> RecordDescription {
    var out = RecordDescription(kind: kind)
    out.add(RecordDescription.unreadableName, content: record)
    return out
  }

  private mutating func ground(_ event: GroundEvent) -> RecordDescription {
    secret = event.secret
    var out = RecordDescription(kind: "ground")
    out.add("epoch", event.epoch)
    out.add("next_number", event.nextNumber)
    out.add("next_lease", event.nextLease)
    out.add("next_order", event.nextOrder)
    out.add("log_time", event.logTime)
    out.add("credited", event.credited)
    out.add("rows", event.rows)
    out.add("boot_id", hex: event.bootID)
    return out
  }

  private func booted(_ event: BootedEvent) -> RecordDescription {
    var out = RecordDescription(kind: "booted")
    out.add("epoch", event.epoch)
    out.add("log_time", event.logTime)
    out.add("downtime", event.downtime)
    out.add("boot_id", hex: event.bootID)
    if let at = event.at { out.add("at_ms", at) }
    return out
  }

  private func submitted(_ event: SubmittedEvent) -> RecordDescription? {
    guard let body = JobBodyLayout(event.body) else { return nil }
    var out = RecordDescription(kind: "submitted")
    identify(&out, event.number, created: event.created)
    out.add("state", text: event.state.name)
    out.add("order", event.order)
    out.add("deadline", event.deadline)
    if event.isWall { out.add("deadline_is_wall_time", true) }
    out.add("priority", event.priority)
    out.add("max_attempts", event.maxAttempts)
    if event.hasKey { key(&out, event.keyHash) }
    add(body, to: &out)
    return out
  }

  private func leased(_ event: LeasedEvent) -> RecordDescription {
    var out = begin("leased", event.number, base: event.base)
    out.add("lease_id", text: event.lease.description)
    out.add("deadline", event.deadline)
    out.add("duration", event.duration)
    out.add("at_ms", event.at)
    out.add("worker", name: event.worker)
    out.add("key_id", name: event.keyID)
    return out
  }

  private func ended(_ event: EndedEvent) -> RecordDescription {
    var out = begin("ended", event.number, base: event.base)
    out.add("outcome", text: "\(event.entry.outcome)")
    out.add("state", text: event.next.name)
    out.add("attempt", event.entry.attempt)
    out.add("order", event.order)
    out.add("deadline", event.deadline)
    out.add("uptime", event.uptime)
    out.add("leased_at_ms", event.entry.leasedAt)
    out.add("ended_at_ms", event.entry.endedAt)
    out.add("worker", name: event.entry.worker)
    out.add("text", content: event.entry.text)
    return out
  }

  private func extended(_ event: ExtendedEvent) -> RecordDescription {
    var out = begin("extended", event.number, base: event.base)
    out.add("deadline", event.deadline)
    out.add("duration", event.duration)
    if let until = event.until { out.add("until_ms", until) }
    return out
  }

  private func reported(_ event: ReportedEvent) -> RecordDescription {
    var out = begin("reported", event.number, base: event.base)
    out.add("progress", content: event.text)
    return out
  }

  private func readied(_ event: ReadiedEvent) -> RecordDescription {
    var out = begin("readied", event.number, base: event.base)
    out.add("order", event.order)
    out.add("is_replay", event.isReplay)
    return out
  }

  private func purged(_ event: PurgedEvent) -> RecordDescription {
    var out = begin("purged", event.number, base: event.base)
    out.add("stub_until", event.stubUntil)
    return out
  }

  private func keyForgotten(_ event: KeyForgottenEvent) -> RecordDescription {
    var out = RecordDescription(kind: "keyForgotten")
    key(&out, event.hash)
    out.add("base", hex: event.base)
    return out
  }

  private func carried(_ event: CarriedEvent) -> RecordDescription? {
    guard let body = JobBodyLayout(event.body) else { return nil }
    var out = RecordDescription(kind: "carried")
    identify(&out, event.number, created: event.created)
    out.add("state", text: event.state.name)
    out.add("order", event.order)
    out.add("deadline", event.deadline)
    out.add("foreseen_ms", event.foreseen)
    out.add("priority", event.priority)
    out.add("attempts", event.attempts)
    out.add("max_attempts", event.maxAttempts)
    out.add("flags", event.flags)
    if event.hasKey { key(&out, event.keyHash) }
    if event.hasLease {
      out.add("lease_id", text: event.lease.id.description)
      out.add("worker", name: event.worker)
      out.add("key_id", name: event.keyID)
    }
    add(body, to: &out)
    out.add("history_bytes", event.history.count)
    return out
  }

  private func carriedStub(_ event: CarriedStubEvent) -> RecordDescription {
    var out = RecordDescription(kind: "carriedStub")
    identify(&out, event.stub.number, created: event.stub.created)
    key(&out, event.hash)
    out.add("state", text: JobState(rawValue: event.stub.state)?.name ?? "\(event.stub.state)")
    out.add("until", event.stub.until)
    return out
  }

  private func carriedQueue(_ event: CarriedQueueEvent) -> RecordDescription {
    var out = RecordDescription(kind: "carriedQueue")
    out.add("queue", name: event.name)
    out.add("submitted", event.totals.submitted)
    out.add("leased", event.totals.leased)
    out.add("acked", event.totals.acked)
    out.add("failed", event.totals.failed)
    out.add("dead", event.totals.dead)
    out.add("idle_since", event.idleSince)
    return out
  }

  private func queueForgotten(_ event: QueueForgottenEvent) -> RecordDescription {
    var out = RecordDescription(kind: "queueForgotten")
    out.add("queue", name: event.name)
    return out
  }

  private func begin(_ kind: String, _ number: UInt64, base: UInt64) -> RecordDescription {
    var out = RecordDescription(kind: kind)
    out.add("number", number)
    out.add("base", hex: base)
    return out
  }

  private func identify(_ out: inout RecordDescription, _ number: UInt64, created: Int64) {
    out.add("number", number)
    if let secret {
      let id = JobID(number: JobNumber(rawValue: number), createdMilliseconds: created, key: secret)
      out.add("job_id", text: id.description)
    }
    out.add("created_ms", created)
  }

  private func key(_ out: inout RecordDescription, _ hash: KeyHash) {
    out.add("idempotency_hash", text: String(hash.high, radix: 16) + "-" + String(hash.low, radix: 16))
  }

  private func add(_ body: JobBodyLayout, to out: inout RecordDescription) {
    out.add("queue", name: body.queue)
    out.add("type", name: body.type)
    out.add("owner", name: body.owner)
    if !body.traceparent.isEmpty { out.add("traceparent", name: body.traceparent) }
    if !body.metadata.isEmpty { out.add("metadata", content: body.metadata) }
    if !body.tags.isEmpty { out.add("tags", content: body.tags) }
    out.add("payload", content: body.payload)
  }
}
