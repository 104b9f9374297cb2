import RoostLog
import RoostSimulation
import Testing

/// The machine stops at every single call of a run that creates, appends, rolls, provisions, trims, stops and reopens.
/// After each crash the log opens, has every committed frame, and beyond them nothing but the one in flight, whole.
@Suite struct CrashTests {
  /// What a run was told.
  private struct Ledger {
    var committed: [Entry] = []
    /// Handed to `commit`, outcome unknown.
    var inFlight: Entry?
    /// Indices of the first frame that the log may begin with: before and after a trim.
    var begins: Set<Int> = [0]
    /// Index of each segment's first frame.
    var firstIndex: [UInt32: Int] = [:]
  }

  /// One life of the log: frames of many sizes, an empty one among them, some larger than a segment.
  private func live(on disk: SimulatedDisk, steps: Range<Int>, _ ledger: inout Ledger) throws(LogError) {
    let (log, _) = try open(disk, smallOptions(segmentBytes: 2048))
    for step in steps {
      if step % 6 == 2 { while try log.provision() {} }
      let size = [40, 300, 700, 3000, 0][step % 5]
      let records = size == 0 ? [] : [record(step, bytes: size), record(step, bytes: 9)]
      ledger.inFlight = Entry(sequence: log.nextSequence, records: records)
      let start = try log.append(records, stamp: stamp(Int64(step)))
      let index = ledger.committed.count
      if let entry = ledger.inFlight { ledger.committed.append(entry) }
      ledger.inFlight = nil
      if start.startsSegment { ledger.firstIndex[start.position.segment] = index }
      if step % 8 == 7, let first = ledger.firstIndex[log.currentSegment - 1] {
        ledger.begins.insert(first)
        try log.trim(before: log.currentSegment - 1)
        ledger.begins = [first]
      }
    }
    try log.stop(stamp(Int64(steps.upperBound)))
  }

  private func check(_ entries: [Entry], _ ledger: Ledger, _ comment: Comment) {
    let fits = ledger.begins.contains { begin in
      let kept = Array(ledger.committed[begin...])
      return entries == kept || entries == kept + [ledger.inFlight].compactMap(\.self)
    }
    #expect(fits, comment)
  }

  @Test(
    "faults 1, 2, 10, 21: a crash at any call of create, append, roll, trim, stop or recovery loses nothing answered",
    arguments: 1...8 as ClosedRange<UInt64>)
  func crashEverywhere(seed: UInt64) throws {
    var stops = 0
    var tornTails = 0
    var recoveryStops = 0
    for call in 1... {
      let disk = SimulatedDisk(seed: seed &* 1_000_003 &+ UInt64(call))
      var ledger = Ledger()
      disk.stopMachine(atCall: call)
      do {
        try live(on: disk, steps: 0..<13, &ledger)
        try live(on: disk, steps: 13..<30, &ledger)
      } catch {
        #expect(disk.isStopped, "seed \(seed), call \(call): \(error)")
      }
      guard disk.isStopped else { break }
      stops += 1
      // Recovery, too, is stopped: at its first call, then at its second, until it comes through.
      for recoveryCall in 1... {
        disk.crash()
        disk.stopMachine(atCall: recoveryCall)
        do {
          let (log, entries) = try open(disk, smallOptions(segmentBytes: 2048))
          disk.stopMachine(atCall: .max / 2)
          check(entries, ledger, "seed \(seed), call \(call), recovery stopped \(recoveryCall - 1) times")
          if log.tornTail != nil || disk.names.contains(where: { $0.hasSuffix(".torn") }) { tornTails += 1 }
          #expect(!disk.names.contains { $0.hasSuffix(".tmp") })
          try log.append([record(7)], stamp: stamp(100))
          break
        } catch {
          guard disk.isStopped else {
            Issue.record("seed \(seed), call \(call), recovery call \(recoveryCall): \(error)")
            return
          }
          recoveryStops += 1
        }
      }
      // What was appended after recovery follows what was there before.
      disk.crash()
      let (_, again) = try open(disk, smallOptions(segmentBytes: 2048))
      #expect(again.last?.records == [record(7)])
    }
    #expect(stops > 150)
    #expect(recoveryStops > stops)
    #expect(tornTails > 0)
  }

  @Test("fault 19: a killed process leaves every committed frame, whatever was not yet synced")
  func killed() throws {
    for call in stride(from: 5, to: 200, by: 3) {
      let disk = SimulatedDisk(seed: UInt64(call))
      var ledger = Ledger()
      disk.stopMachine(atCall: call)
      try? live(on: disk, steps: 0..<20, &ledger)
      disk.crash(losingUnsynced: false)
      let (_, entries) = try open(disk, smallOptions(segmentBytes: 2048))
      check(entries, ledger, "killed at call \(call)")
    }
  }
}
