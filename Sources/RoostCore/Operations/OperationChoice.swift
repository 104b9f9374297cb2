/// What only the records of jobs tell (an error, a tag) is judged outside of the machine: a piece of the jobs that an
/// operation may match is read there, and those that do match come back as a choice. The machine checks each again.
package struct OperationChoice: Sendable {
  /// The operation; 0: none wants one.
  package var id: UInt64 = 0
  /// Where the operation is.
  package var from = Place()
  /// Where it goes on behind the piece.
  package var end = Place()
  /// The jobs of the piece, by falling numbers.
  package var items: [Item] = []

  package init() {}

  package struct Place: Sendable, Equatable, BitwiseCopyable {
    /// Which of the kind's states, and below which number.
    package var pass: UInt8 = 0
    package var cursor: UInt64 = 0

    package init() {}

    init(_ pass: UInt8, _ cursor: UInt64) { (self.pass, self.cursor) = (pass, cursor) }
  }

  /// A job, and which of its records were judged: where there are others by now it is judged again.
  package struct Item: Sendable, BitwiseCopyable {
    package var number: UInt64
    package var base: LogPosition
    package var history: LogPosition

    package static let bytes = 24

    package init(number: UInt64, base: LogPosition, history: LogPosition) {
      (self.number, self.base, self.history) = (number, base, history)
    }
  }

  /// Jobs of a piece.
  package static let most = 200

  package static func encode(_ items: [Item]) -> [UInt8] {
    items.flatMap { item in
      [item.number, item.base.rawValue, item.history.rawValue].flatMap { word in
        (0..<8).map { UInt8(truncatingIfNeeded: word >> UInt64(8 * $0)) }
      }
    }
  }

  /// - Returns: Nil where they are no choice: too many, or not in their order.
  static func decode(_ bytes: UnsafeRawBufferPointer) -> [Item]? {
    guard bytes.count.isMultiple(of: Item.bytes), bytes.count / Item.bytes <= most else { return nil }
    var reader = RecordReader(bytes)
    var items: [Item] = []
    while !reader.isAtEnd {
      let item = Item(
        number: reader.get(), base: LogPosition(rawValue: reader.get()), history: LogPosition(rawValue: reader.get()))
      if let last = items.last, item.number >= last.number { return nil }
      items.append(item)
    }
    return items
  }
}

/// What an operation is to do next to jobs that were judged. Volatile: after a crash they are judged again.
struct ChosenJobs {
  var items: [OperationChoice.Item]
  var next = 0
  /// Where the operation goes on behind them.
  var end: OperationChoice.Place
  /// Jobs that were looked at for it.
  var examined: UInt64
}

extension StateMachine {
  /// Whether an operation waits for a choice.
  package var wantsChoice: Bool { operations.running.contains { $0.wantsChoice } }

  /// The next piece of the first operation that waits for a choice: jobs that it may match.
  package func nextPiece() -> OperationChoice {
    var piece = OperationChoice()
    guard var operation = operations.running.first(where: { $0.wantsChoice }) else { return piece }
    piece.id = operation.id
    piece.from = operation.place
    var masks = Command.CountMatching.masks
    while piece.items.count < OperationChoice.most,
      let slot = nextMatch(of: &operation, masks: &masks, isCount: operation.isDry)
    {
      guard operation.pass == piece.from.pass || piece.items.isEmpty else { break }
      if operation.pass != piece.from.pass {
        // Of a later state: the next piece begins with it.
        operation.cursor = operation.bound
        break
      }
      piece.items.append(judged(slot))
    }
    piece.end = operation.place
    // A job of this piece may come into a later state before it is changed: it is met there.
    if operation.pass != piece.from.pass, !piece.items.isEmpty {
      piece.end = OperationChoice.Place(piece.from.pass + 1, operation.bound)
    }
    return piece
  }

  private func judged(_ slot: Slot) -> OperationChoice.Item {
    let row = jobs.hot(slot).pointee
    return OperationChoice.Item(
      number: row.number, base: LogPosition(rawValue: row.base),
      history: LogPosition(rawValue: existingLeaseCell(slot)?.pointee.history ?? 0))
  }

  /// The next of the jobs that were chosen, if it is still as it was judged. Where its records are others by now the
  /// operation goes back to it, and wants another choice.
  func nextChosen(of operation: inout Operation) -> Slot? {
    guard let chosen = operation.chosen else { return nil }
    let state = operation.kind.states[Int(operation.pass)]
    for place in chosen.next..<chosen.items.count {
      let item = chosen.items[place]
      operation.chosen?.next = place + 1
      operation.cursor = item.number
      let slot = jobs.find(item.number)
      guard slot != .none, jobs.hot(slot).pointee.state == state.rawValue, isOf(slot, operation),
        matches(slot, operation)
      else { continue }
      let now = judged(slot)
      guard now.base == item.base && now.history == item.history || defects.contains(.staleChoiceTaken) else {
        operation.cursor = item.number + 1
        operation.chosen = nil
        return nil
      }
      return slot
    }
    operation.goOn(behind: chosen)
    return nil
  }

  /// What sets of numbers tell where jobs are looked for.
  private func isOf(_ slot: Slot, _ operation: Operation) -> Bool {
    (operation.queue == .none || queue(of: slot) == operation.queue)
      && (operation.owner == .none || jobs.cold(slot).pointee.owner == operation.owner)
  }
}

extension Operation {
  var place: OperationChoice.Place { OperationChoice.Place(pass, cursor) }
  /// Its jobs are judged outside, and none of them waits to be changed.
  var wantsChoice: Bool { phase == .active && !text.isEmpty && chosen == nil }
  /// Whether it has something to do once it is due.
  var hasWork: Bool { phase == .active && kind != .backfill && (text.isEmpty || chosen != nil) }

  /// All jobs of a piece were looked at.
  mutating func goOn(behind chosen: ChosenJobs) {
    (pass, cursor) = (chosen.end.pass, chosen.end.cursor)
    examined += chosen.examined
    self.chosen = nil
  }
}
