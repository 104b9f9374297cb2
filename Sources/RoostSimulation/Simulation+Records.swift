import RoostCore
import RoostEngine
import RoostLog

/// What the records of a step say happened, for the model.
extension Simulation {
  /// The queues that the step's records of a kind name, in their order: it holds nothing but the name.
  func names(in kind: RecordKind, _ places: some RangeExpression<Int>) -> [String] {
    var (names, place) = ([String](), 0)
    forEach(daemon.store.step.records) { record in
      defer { place += 1 }
      guard record[0] == kind.rawValue, places.contains(place) else { return }
      names.append(String(decoding: record.dropFirst(), as: UTF8.self))
    }
    return names
  }

  /// The groups that are not paused by the records that stand behind those of the requests, in their order.
  func resumedGroups(from first: Int) -> [ReferenceModel.GroupKey] {
    var (groups, place) = ([ReferenceModel.GroupKey](), 0)
    forEach(daemon.store.step.records) { record in
      defer { place += 1 }
      guard place >= first, record[0] == RecordKind.groupSet.rawValue, record[49] == 0 else { return }
      let mask = UInt64(littleEndian: record.loadUnaligned(fromByteOffset: 53, as: UInt64.self))
      let owner = 61 + 8 * mask.nonzeroBitCount + Int(record[50])
      let group = owner + Int(record[51])
      let queue = group + Int(record[52])
      groups.append(
        ReferenceModel.GroupKey(
          queue: String(decoding: record[queue...], as: UTF8.self), owner: Array(record[owner..<group]),
          name: String(decoding: record[group..<queue], as: UTF8.self)))
    }
    return groups
  }

  /// What the step's records say of schedules: who they are, and what they did behind the requests.
  func noteSchedules(from first: Int) {
    var (changes, place) = ([ReferenceModel.ScheduleChange](), 0)
    var stopped: Set<UInt64> = []
    let secret = daemon.store.machine.secret
    var submittedDeadline: Int64 = 0
    forEach(daemon.store.step.records) { record in
      defer { place += 1 }
      func number(_ offset: Int) -> UInt64 {
        UInt64(littleEndian: record.loadUnaligned(fromByteOffset: offset, as: UInt64.self))
      }
      func instant(_ offset: Int) -> Int64? {
        let seconds = Int64(bitPattern: number(offset))
        return seconds == .min ? nil : seconds
      }
      switch RecordKind(of: record) {
      case .scheduleSet?:
        let name = 148 + Int(record[142])
        scheduleNames[number(1)] = ReferenceModel.ScheduleKey(
          owner: Array(record[148..<name]),
          name: String(decoding: record[name..<name + Int(record[143])], as: UTF8.self))
      case .scheduleFired? where place >= first:
        guard let key = scheduleNames[number(1)], let kind = ScheduleRun.Kind(rawValue: record[41]) else { return }
        let job = JobID(
          number: JobNumber(rawValue: number(33)), createdMilliseconds: clock.reading.wall / 1_000_000, key: secret)
        changes.append(
          .fired(
            key, kind, instant: instant(17)!, next: instant(25), number: number(33), deadline: submittedDeadline,
            id: job))
      case .submitted?: submittedDeadline = Int64(bitPattern: number(25))
      case .scheduleMissed? where place >= first:
        guard let key = scheduleNames[number(1)] else { return }
        changes.append(
          .missed(
            key, first: instant(17)!, last: instant(25)!, next: instant(33), count: number(41),
            ScheduleMiss(rawValue: record[49])))
      case .ended? where place >= first:
        guard let entries = StoredRecord(record).history?.entries else { return }
        var reader = RecordReader(entries)
        guard let entry = HistoryEntry(&reader), entry.text.elementsEqual(CancelReason.nextRun.rawValue.utf8),
          [.cancelled, .cancelRequested].contains(entry.outcome)
        else { return }
        changes.append(.stopped(number(1)))
        stopped.insert(number(1))
      default: return
      }
    }
    (model.scheduleChanges, model.stopped) = (changes, stopped)
  }

  /// What the step's records say of batches, and which jobs were stopped for them.
  func noteBatches(from first: Int) {
    var (changes, stops, place) = ([ReferenceModel.BatchChange](), Set<UInt64>(), 0)
    forEach(daemon.store.step.records) { record in
      defer { place += 1 }
      func number(_ offset: Int) -> UInt64 {
        UInt64(littleEndian: record.loadUnaligned(fromByteOffset: offset, as: UInt64.self))
      }
      switch RecordKind(of: record) {
      case .batchChanged? where place >= first: changes.append(.closed(number(1)))
      case .batchCompleted?: changes.append(.completed(number(1), job: number(33)))
      case .batchForgotten?: changes.append(.forgotten(number(1)))
      case .ended? where place >= first:
        guard let entries = StoredRecord(record).history?.entries else { return }
        var reader = RecordReader(entries)
        guard let entry = HistoryEntry(&reader), entry.text.elementsEqual(CancelReason.batch.rawValue.utf8),
          [.cancelled, .cancelRequested].contains(entry.outcome)
        else { return }
        stops.insert(number(1))
      default: return
      }
    }
    (model.batchChanges, model.batchStops) = (changes, stops)
  }

  /// The waiting jobs that the step's records say were cancelled for a reason of the daemon's own, in their order.
  func cancelledJobs(_ reason: CancelReason, _ places: some RangeExpression<Int>) -> [UInt64] {
    var (numbers, place) = ([UInt64](), 0)
    forEach(daemon.store.step.records) { record in
      defer { place += 1 }
      guard places.contains(place) else { return }
      guard let entries = StoredRecord(record).history?.entries, record[0] == RecordKind.ended.rawValue else { return }
      var reader = RecordReader(entries)
      guard let entry = HistoryEntry(&reader), entry.outcome == .cancelled,
        entry.text.elementsEqual(reason.rawValue.utf8)
      else { return }
      numbers.append(UInt64(littleEndian: record.loadUnaligned(fromByteOffset: 1, as: UInt64.self)))
    }
    return numbers
  }

  /// The jobs that the step's records say were too late, in their order.
  func lateJobs(in places: Range<Int>) -> [UInt64] {
    var (numbers, place) = ([UInt64](), 0)
    forEach(daemon.store.step.records) { record in
      defer { place += 1 }
      guard places.contains(place), record[0] == RecordKind.ended.rawValue,
        let entries = StoredRecord(record).history?.entries
      else { return }
      var reader = RecordReader(entries)
      guard let entry = HistoryEntry(&reader) else { return }
      let isCancelled = entry.outcome == .cancelled && entry.text.elementsEqual(CancelReason.expired.rawValue.utf8)
      guard entry.outcome == .tooLate || isCancelled else { return }
      numbers.append(UInt64(littleEndian: record.loadUnaligned(fromByteOffset: 1, as: UInt64.self)))
    }
    return numbers
  }

  /// What an operation did, by the records that stand behind those of the requests: nothing else is decided before it.
  func bulkChanges(from first: Int) -> [ReferenceModel.BulkChange] {
    var (changes, place, end, isOver) = ([ReferenceModel.BulkChange](), 0, 0, false)
    forEach(daemon.store.step.records) { record in
      defer { place += 1 }
      guard place >= first, !isOver, let kind = RecordKind(of: record) else { return }
      func number(at offset: Int = 1) -> UInt64 {
        UInt64(littleEndian: record.loadUnaligned(fromByteOffset: offset, as: UInt64.self))
      }
      switch kind {
      case .ended: changes.append(.cancelled(number()))
      case .readied: changes.append(record[25] & 1 == 0 ? .hastened(number()) : .replayed(number()))
      case .moved:
        let queue = String(decoding: record.dropFirst(26), as: UTF8.self)
        changes.append(.moved(number(), to: queue, beginsAnew: record[25] & 1 != 0))
      case .purged: changes.append(.purged(number()))
      case .queueDeleted: changes.append(.deleted(queue: String(decoding: record.dropFirst(), as: UTF8.self)))
      case .operationAdvanced:
        changes.append(.advanced(id: number(), OperationPhase(rawValue: record[9])!, done: number(at: 19)))
        end = changes.count
      // Compaction writes them again.
      case .operationBegan: isOver = true
      default: break
      }
    }
    return Array(changes.prefix(end))
  }

  func forEach(_ records: borrowing RecordBuffer, _ body: (UnsafeRawBufferPointer) -> Void) {
    guard records.recordCount > 0 else { return }
    let bytes = UnsafeRawBufferPointer(records.frame)
    var at = SegmentedLog.headroom
    for _ in 0..<records.recordCount {
      let length = Int(UInt32(littleEndian: bytes.loadUnaligned(fromByteOffset: at, as: UInt32.self)))
      body(UnsafeRawBufferPointer(rebasing: bytes[(at + 4)..<(at + 4 + length)]))
      at += 4 + length
    }
  }
}
