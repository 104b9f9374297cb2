extension Command {
  /// Some groups of which something was said, to be written again in each trim.
  package struct CarryGroups: Sendable, BitwiseCopyable {
    /// Places in `StateMachine.toldGroups`, the last first: a cell that goes is replaced by one that was written.
    fileprivate let first: Int
    fileprivate let end: Int
    /// As they were when the trim began, with some room.
    let mostBytes: Int
    fileprivate static let most = 16
  }
}

extension Command.CarryGroups: StateCommand {
  static var isCopy: Bool { true }

  func decide(in state: inout StateMachine, _ ticket: UInt64, _ step: inout Step) {
    for place in (first..<end).clamped(to: state.toldGroups.indices).reversed() {
      let cell = state.groupSetups.pointer(state.toldGroups[place]).pointee
      guard state.saysSomething(cell), !state.defects.contains(.groupNotCarried) else { continue }
      state.record(ofGroup: cell.group).encode(into: &step.records)
    }
    step.answer(ticket, .carried(true))
  }
}

extension StateMachine {
  /// What carries all that was said of groups, piece by piece. It is asked for once the settings of all queues are
  /// carried: leases of groups that come later count under them.
  package var groupCarries: [Command] {
    stride(from: 0, to: toldGroups.count, by: Command.CarryGroups.most).reversed().map {
      let places = $0..<min($0 + Command.CarryGroups.most, toldGroups.count)
      // Settings may come meanwhile.
      let bytes = places.reduce(1_024) { $0 + QueueSettings.mostBytes + namesBytes(ofCell: toldGroups[$1]) }
      return .carryGroups(Command.CarryGroups(first: places.lowerBound, end: places.upperBound, mostBytes: bytes))
    }
  }

  private func namesBytes(ofCell cell: Slot) -> Int {
    let setup = groupSetups.pointer(cell).pointee
    let row = groups[setup.group].pointee
    return 64 + queueNames.bytes(row.queue).count + ownerNames.bytes(row.owner).count + nameOfGroup(setup.group).count
      + Int(UInt8.max)
  }
}
