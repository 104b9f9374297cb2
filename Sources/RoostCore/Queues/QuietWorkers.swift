/// Workers that an operator asked to take no more jobs, by what they call themselves, in the order of asking.
struct QuietWorkers {
  /// At once.
  static let most = 1_000

  struct Cell: BitwiseCopyable {
    /// Of `StateMachine.workerNames`.
    var worker: UInt32
    /// Wall milliseconds.
    var at: Int64
  }

  private(set) var cells: [Cell] = []
  private var names: Set<UInt32> = []

  var isEmpty: Bool { cells.isEmpty }

  func contains(_ worker: UInt32) -> Bool { !cells.isEmpty && names.contains(worker) }

  /// Returns false where it was quiet already.
  mutating func insert(_ worker: UInt32, at time: Int64) -> Bool {
    guard names.insert(worker).inserted else { return false }
    cells.append(Cell(worker: worker, at: time))
    return true
  }

  /// Returns false where it was not quiet.
  mutating func remove(_ worker: UInt32) -> Bool {
    guard names.remove(worker) != nil else { return false }
    cells.removeAll { $0.worker == worker }
    return true
  }
}

extension StateMachine {
  /// Whether a worker that calls itself so is to take no more jobs.
  mutating func isQuiet(_ worker: UnsafeRawBufferPointer) -> Bool {
    guard !quietWorkers.isEmpty, !worker.isEmpty, !defects.contains(.quietIgnored) else { return false }
    return quietWorkers.contains(workerNames.find(worker))
  }

  mutating func mayQuiet(_ worker: UnsafeRawBufferPointer) -> Bool {
    quietWorkers.cells.count < QuietWorkers.most || quietWorkers.contains(workerNames.find(worker))
  }

  /// Whether whoever holds a RUNNING job is to take no more.
  func holderIsQuiet(_ slot: Slot) -> Bool {
    guard !quietWorkers.isEmpty, let cell = existingLeaseCell(slot) else { return false }
    return quietWorkers.contains(cell.pointee.worker)
  }

  /// All of them, the one asked first first.
  package var quietNames: [(worker: String, at: Int64)] {
    quietWorkers.cells.map { (String(decoding: workerNames.bytes($0.worker), as: UTF8.self), $0.at) }
  }

  /// The waits of a worker end: it asks again, and hears how it is now.
  mutating func endWaits(ofWorker worker: UnsafeRawBufferPointer, _ step: inout Step) {
    let name = workerNames.find(worker)
    guard name != .none else { return }
    var tickets: [(order: Int64, ticket: UInt64)] = []
    let (view, ofDeliveries) = (waiters.view, deliveries.waiter)
    waiterIndex.forEach { slot in
      let waiter = view[slot].pointee
      guard waiter.job == .none, waiter.worker == name, slot != ofDeliveries else { return }
      tickets.append((waiter.order, waiter.ticket))
    }
    for waiter in tickets.sorted(by: { $0.order < $1.order }) { endWait(waiter.ticket, &step) }
  }
}
