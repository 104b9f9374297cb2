extension Command {
  /// Says what an owner may have and ask; an empty quota takes it back. The owner need not have had a job.
  package struct SetQuota: Sendable, BitwiseCopyable {
    package var owner: ByteRange
    package var quota: OwnerQuota

    package init(owner: ByteRange, quota: OwnerQuota) {
      self.owner = owner
      self.quota = quota
    }
  }

  /// What an owner may have, and has.
  package struct ReadQuota: Sendable, BitwiseCopyable {
    package var owner: ByteRange

    package init(owner: ByteRange) { self.owner = owner }
  }

  /// Some quotas, to be written again in each trim.
  package struct CarryQuotas: Sendable, BitwiseCopyable {
    /// A place in `StateMachine.quotas`; those that came or moved since the trim began are in the log behind it.
    fileprivate var first: Int
    fileprivate static let most = 64
  }
}

extension Command.SetQuota: StateCommand {
  var mostBytes: Int { OwnerQuotaSet.mostBytes + 1_024 }

  func decide(in state: inout StateMachine, _ ticket: UInt64, _ step: inout Step) {
    let name = step.bytes(owner)
    let known = state.image(ofOwner: name).quota
    if known != quota {
      if state.conditions.diskLevel >= 3 { return step.answer(ticket, .refused(.diskLow)) }
      if known.isEmpty, state.quotas.count >= state.limits.maxQuotas {
        return step.answer(ticket, .refused(.tooManyQuotas))
      }
      let event = OwnerQuotaSet(owner: name, quota: quota)
      event.encode(into: &step.records)
      event.apply(to: &state)
    }
    step.answer(ticket, .owner(state.image(ofOwner: name)))
  }
}

extension Command.ReadQuota: StateCommand {
  static var isRead: Bool { true }

  func decide(in state: inout StateMachine, _ ticket: UInt64, _ step: inout Step) {
    step.answer(ticket, .owner(state.image(ofOwner: step.bytes(owner))))
  }
}

extension Command.CarryQuotas: StateCommand {
  var mostBytes: Int { Self.most * (OwnerQuotaSet.mostBytes + 8) + 1_024 }
  static var isCopy: Bool { true }

  func decide(in state: inout StateMachine, _ ticket: UInt64, _ step: inout Step) {
    for cell in state.quotas.dropFirst(first).prefix(Self.most) where !state.defects.contains(.quotaNotCarried) {
      OwnerQuotaSet(owner: state.ownerNames.bytes(cell.owner), quota: cell.quota).encode(into: &step.records)
    }
    step.answer(ticket, .carried(true))
  }
}

extension StateMachine {
  /// What carries all quotas, piece by piece. The last first: one that is taken back meanwhile is replaced by the last, which
  /// was written.
  var quotaCarries: [Command] {
    stride(from: 0, to: quotas.count, by: Command.CarryQuotas.most).reversed().map {
      .carryQuotas(Command.CarryQuotas(first: $0))
    }
  }
}
