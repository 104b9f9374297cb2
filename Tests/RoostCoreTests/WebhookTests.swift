import RoostCore
import Testing

/// Webhooks: who is told of what, once, and what becomes of deliveries.
@Suite("Webhooks")
struct WebhookTests {
  @Test("an event is told once to each webhook of its owner that asks for it, in the commit of the event")
  func told() throws {
    let machine = Machine()
    machine.setWebhook("all", [.jobAcked, .jobDead])
    machine.setWebhook("mail", [.jobAcked], queues: ["mail"])
    machine.setWebhook("sms", [.jobAcked], queues: ["sms"])
    machine.setWebhook("types", [.jobAcked], types: ["other"])
    machine.setWebhook("all", [.jobAcked], owner: "bob")
    let id = try #require(machine.submit()).id
    let grant = try #require(machine.lease())
    _ = machine.finish(id, grant.lease, .acked)
    // The submits stand in the very frame.
    #expect(machine.notices(inLastFrame: true).map(\.name).sorted() == ["all", "mail"])
    let notice = try #require(machine.notices().first?.notice)
    #expect(notice.event == .jobAcked && notice.job == id && notice.state == .acked && notice.outcome == .acked)
    #expect(notice.attempt == 1 && notice.queue == Array("mail".utf8) && notice.type == Array("send".utf8))
    #expect(machine.notices().count == 2)
    try machine.expectReplay()
  }

  @Test("each end of an attempt, and of a job's waiting, has its event, and the events of deliveries have none")
  func events() throws {
    let machine = Machine()
    machine.setWebhook("w", WebhookEvent.subscribable)
    let id = try #require(machine.submit { $0.maxRetries = 1 }).id
    var grant = try #require(machine.lease())
    _ = machine.finish(id, grant.lease, .failed)
    _ = machine.pass(milliseconds: 60_000)
    grant = try #require(machine.lease(milliseconds: 1_000))
    _ = machine.pass(milliseconds: 1_001)
    machine.passGrace()
    let other = try #require(machine.submit()).id
    machine.run([], .cancel(Command.Cancel(job: machine.reference(other), viewer: .all, reason: .empty, checksum: 0)))
    #expect(machine.notices().map(\.notice.event) == [.jobFailed, .jobDead, .jobCancelled])
    #expect(machine.notices().map(\.notice.job) == [id, id, other])
    #expect(machine.notices()[0].notice.retryAt > 0)
    for delivery in machine.leaseDeliveries() { _ = machine.finish(delivery.id, delivery.lease, .acked) }
    #expect(machine.notices().count == 3)
    try machine.expectReplay()
  }

  @Test("a queue's pause and its end are told to whoever asks for them")
  func queues() throws {
    let machine = Machine()
    machine.setWebhook("w", [.queuePaused, .queueResumed], queues: ["mail"])
    for queue in ["mail", "sms"] {
      let name = Array(queue.utf8)
      machine.run(name, .pause(Command.Pause(name: ByteRange(offset: 0, count: name.count), reason: .empty, until: 0)))
      machine.run(name, .resume(Command.Resume(name: ByteRange(offset: 0, count: name.count))))
    }
    #expect(machine.notices().map(\.notice.event) == [.queuePaused, .queueResumed])
    try machine.expectReplay()
  }

  @Test("a paused webhook is told nothing, its deliveries wait, and go on once it is resumed")
  func paused() throws {
    let machine = Machine()
    machine.setWebhook("w", [.jobCancelled])
    machine.cancelOne()
    machine.changeWebhook("w", .pause(reason: .empty))
    #expect(machine.deliver() == [])
    machine.cancelOne()
    #expect(machine.notices().count == 1)
    #expect(machine.webhook("w")?.dropped[Int(WebhookDrop.paused.rawValue)] == 1)
    try machine.expectReplay()
    machine.changeWebhook("w", .resume)
    #expect(machine.deliver().count == 1)
    #expect(machine.state.inconsistencies() == [])
    try machine.expectReplay()
  }

  @Test("deliveries of a webhook that is removed are cancelled, also where another of its name comes")
  func removed() throws {
    let machine = Machine()
    machine.setWebhook("w", [.jobCancelled])
    machine.cancelOne()
    machine.changeWebhook("w", .remove)
    machine.setWebhook("w", [.jobCancelled])
    machine.cancelOne()
    let (old, new) = (machine.notices()[0].id, machine.notices()[1].id)
    #expect(machine.deliver() == [])
    _ = machine.pass(milliseconds: 1)
    #expect(machine.image(old)?.state == .cancelled)
    #expect(machine.deliver() == [new])
    #expect(machine.state.inconsistencies() == [])
    try machine.expectReplay()
  }

  @Test("a webhook that fails for five days without a success is paused, and one success counts")
  func patience() throws {
    let machine = Machine()
    machine.setWebhook("w", [.jobCancelled])
    machine.fail()
    #expect(machine.webhook("w")?.failingSince != nil)
    machine.skip(milliseconds: 4 * 86_400_000)
    machine.fail(.acked)
    #expect(machine.webhook("w")?.failingSince == nil)
    machine.fail()
    machine.skip(milliseconds: 5 * 86_400_000 - 2)
    machine.fail()
    #expect(machine.webhook("w")?.isPaused == false)
    machine.skip(milliseconds: 2)
    machine.fail()
    #expect(machine.webhook("w")?.isPaused == true)
    try machine.expectReplay()
    machine.changeWebhook("w", .resume)
    #expect(machine.webhook("w")?.isPaused == false && machine.webhook("w")?.failingSince == nil)
  }

  @Test("an owner has as many webhooks as it may, and the same again changes nothing")
  func bounded() throws {
    let machine = Machine { $0.maxWebhooks = 2 }
    machine.setWebhook("a", [.jobDead])
    machine.setWebhook("b", [.jobDead])
    guard case .refused(.tooManyWebhooks)? = machine.setWebhook("c", [.jobDead]) else {
      Issue.record("a third was taken")
      return
    }
    let written = machine.log.count
    machine.setWebhook("b", [.jobDead])
    #expect(machine.log.count == written)
    machine.setWebhook("a", [.jobDead], owner: "bob")
    machine.changeWebhook("b", .remove)
    machine.setWebhook("c", [.jobDead])
    #expect(machine.state.webhookCount == 3)
    try machine.expectReplay()
  }

  @Test("fault 81: what finds no room is dropped and counted, and the work goes on")
  func noRoom() throws {
    let machine = Machine()
    machine.setWebhook("w", [.jobAcked])
    machine.set([.maxLength: 1], of: Webhook.queue)
    for _ in 0..<2 {
      let id = try #require(machine.submit()).id
      let grant = try #require(machine.lease())
      guard case .changed? = machine.finish(id, grant.lease, .acked) else {
        Issue.record("an acknowledgement was refused")
        return
      }
    }
    #expect(machine.notices().count == 1)
    #expect(machine.webhook("w")?.dropped[Int(WebhookDrop.queueFull.rawValue)] == 1)
    let id = try #require(machine.submit()).id
    let grant = try #require(machine.lease())
    machine.state.conditions.diskLevel = 1
    _ = machine.finish(id, grant.lease, .acked)
    #expect(machine.image(id)?.state == .acked && machine.notices().count == 1)
    #expect(machine.webhook("w")?.dropped[Int(WebhookDrop.diskLow.rawValue)] == 1)
  }
}

extension Machine {
  struct Told {
    var id: JobID
    /// The webhook's.
    var name: String
    var notice: WebhookNotice
  }

  @discardableResult
  func setWebhook(
    _ name: String, _ events: [WebhookEvent], queues: [String] = [], types: [String] = [], owner: String = "ann"
  ) -> Answer? {
    var definition = WebhookDefinition(
      target: PushTarget.encode(origin: "https://hook.example", rest: "/"), events: events.reduce(0) { $0 | $1.bit })
    definition.queues = queues.map { Array($0.utf8) }
    definition.types = types.map { Array($0.utf8) }
    let bytes = definition.bytes
    return changeWebhook(name, .set(ByteRange(offset: 0, count: bytes.count)), bytes, owner: owner)
  }

  @discardableResult
  func changeWebhook(
    _ name: String, _ change: Command.ChangeWebhook.Change, _ bytes: [UInt8] = [], owner: String = "ann"
  ) -> Answer? {
    run(
      bytes + Array(owner.utf8) + Array(name.utf8),
      .changeWebhook(
        Command.ChangeWebhook(
          owner: ByteRange(offset: bytes.count, count: owner.utf8.count),
          name: ByteRange(offset: bytes.count + owner.utf8.count, count: name.utf8.count), change: change))
    ).first
  }

  func webhook(_ name: String, owner: String = "ann") -> WebhookImage? {
    var read = Command.ReadWebhooks(owner: ByteRange(offset: 0, count: owner.utf8.count))
    read.name = ByteRange(offset: owner.utf8.count, count: name.utf8.count)
    guard case .webhooks(let first, 1, _, _)? = run(Array((owner + name).utf8), .readWebhooks(read)).first else {
      return nil
    }
    return step.webhooks[Int(first)]
  }

  /// A job that was to run in an hour is cancelled.
  func cancelOne() {
    guard let id = submit(adjust: { $0.delayMilliseconds = 3_600_000 })?.id else { return }
    run([], .cancel(Command.Cancel(job: reference(id), viewer: .all, reason: .empty, checksum: 0)))
  }

  /// A delivery is made, tried once, and ends so; it is not tried again.
  func fail(_ outcome: Outcome = .failed) {
    cancelOne()
    for grant in leaseDeliveries() { _ = finish(grant.id, grant.lease, outcome) { $0.isRetryable = false } }
  }

  /// The deliveries of webhooks that were made, in their order.
  func notices(inLastFrame: Bool = false) -> [Told] {
    var told: [Told] = []
    for frame in inLastFrame ? Array(frames.suffix(1)) : frames {
      frame.records.withUnsafeBytes { bytes in
        var at = 0
        while at + 4 <= bytes.count {
          let length = Int(UInt32(littleEndian: bytes.loadUnaligned(fromByteOffset: at, as: UInt32.self)))
          let record = UnsafeRawBufferPointer(rebasing: bytes[(at + 4)..<(at + 4 + length)])
          at += 4 + length
          guard RecordKind(of: record) == .submitted, let body = StoredRecord(record).body,
            let layout = JobBodyLayout(body), let notice = layout.options[.notice].flatMap({ WebhookNotice($0) })
          else { continue }
          let number = UInt64(littleEndian: record.loadUnaligned(fromByteOffset: 1, as: UInt64.self))
          let created = Int64(littleEndian: record.loadUnaligned(fromByteOffset: 9, as: Int64.self))
          told.append(
            Told(
              id: JobID(
                number: JobNumber(rawValue: number), createdMilliseconds: created, key: SipKey(k0: 1, k1: 2)),
              name: String(decoding: layout.group, as: UTF8.self), notice: notice))
        }
      }
    }
    return told
  }
}
