/// The kinds of the log's records; raw values stand in the log.
///
/// This is their only table. A new kind is a case and a line here, and its file in this folder: nothing else branches
/// over kinds.
package enum RecordKind: UInt8, Sendable, CaseIterable {
  case ground = 1
  case booted = 2
  case submitted = 3
  case leased = 4
  case ended = 5
  case extended = 6
  case readied = 7
  case purged = 8
  case keyForgotten = 9
  case carried = 10
  case carriedStub = 11
  case carriedQueue = 12
  case reported = 13
  case queueForgotten = 14
  case queueConfigured = 15
  case queuePaused = 16
  case queueResumed = 17
  case operationBegan = 18
  case operationAdvanced = 19
  case queueDeleted = 20
  case groupSet = 21
  case moved = 22
  case changed = 23
  case scheduleSet = 40
  case scheduleFired = 41
  case scheduleMissed = 42
  case scheduleRan = 43
  case scheduleRemoved = 44
  case succeeded = 50
  case uniqueReleased = 51
  case carriedUnique = 52
  case unblocked = 55
  case batchSet = 56
  case batchCounted = 57
  case batchCompleted = 58
  case batchForgotten = 59
  case batchChanged = 60
  case ownerQuotaSet = 67

  /// What a record of the kind says and does. A metatype: choosing one allocates nothing, and what stands behind it is
  /// compiled for each kind by itself.
  @inline(__always)
  var record: any LogRecord.Type {
    switch self {
    case .ground: Ground.self
    case .booted: Booted.self
    case .submitted: Submitted.self
    case .leased: Leased.self
    case .ended: Ended.self
    case .extended: Extended.self
    case .readied: Readied.self
    case .purged: Purged.self
    case .keyForgotten: KeyForgotten.self
    case .carried: Carried.self
    case .carriedStub: CarriedStub.self
    case .carriedQueue: CarriedQueue.self
    case .reported: Reported.self
    case .queueForgotten: QueueForgotten.self
    case .queueConfigured: QueueConfigured.self
    case .queuePaused: QueuePaused.self
    case .queueResumed: QueueResumed.self
    case .operationBegan: OperationBegan.self
    case .operationAdvanced: OperationAdvanced.self
    case .queueDeleted: QueueDeleted.self
    case .groupSet: GroupSet.self
    case .moved: Moved.self
    case .changed: Changed.self
    case .scheduleSet: ScheduleSet.self
    case .scheduleFired: ScheduleFired.self
    case .scheduleMissed: ScheduleMissed.self
    case .scheduleRan: ScheduleRan.self
    case .scheduleRemoved: ScheduleRemoved.self
    case .succeeded: Succeeded.self
    case .uniqueReleased: UniqueReleased.self
    case .carriedUnique: CarriedUnique.self
    case .unblocked: Unblocked.self
    case .batchSet: BatchSet.self
    case .batchCounted: BatchCounted.self
    case .batchCompleted: BatchCompleted.self
    case .batchForgotten: BatchForgotten.self
    case .batchChanged: BatchChanged.self
    case .ownerQuotaSet: OwnerQuotaSet.self
    }
  }

  /// The kind that a record's first byte names; nil where no such kind is known.
  @inline(__always)
  package init?(of record: UnsafeRawBufferPointer) {
    guard let first = record.first else { return nil }
    self.init(rawValue: first)
  }

  /// The fields at fixed places; behind them, where parts may be missing, words of eight bytes.
  package var fields: [RecordField] {
    var offset = 1
    return record.layout.map { field in
      defer { offset += field.bytes }
      return RecordField(bytes: field.bytes, isPosition: field.isPosition, offset: offset)
    }
  }
}

/// A field of a record, by its place in the bytes: `docs/log-format.md` draws them. Tests change records by it.
package struct RecordField: ExpressibleByIntegerLiteral {
  package let bytes: Int
  /// Whether it is the position of another record.
  package let isPosition: Bool
  package fileprivate(set) var offset = 0

  /// A number of so many bytes.
  package init(integerLiteral bytes: Int) { self.init(bytes: bytes, isPosition: false, offset: 0) }

  fileprivate init(bytes: Int, isPosition: Bool, offset: Int) {
    self.bytes = bytes
    self.isPosition = isPosition
    self.offset = offset
  }

  /// The position of another record, eight bytes.
  static let position = RecordField(bytes: 8, isPosition: true, offset: 0)
}
