import RoostAPI
import RoostCore
import RoostEngine

/// Which queues `GET /queues` shows, in which order, and how many.
struct QueueListing {
  enum Order: String, CaseIterable { case name, trouble, waiting, oldest, dead, rate }

  private let order: Order
  private let match: String?
  /// nil: all of them, as without any parameter.
  private let limit: Int?
  private let skipped: Int

  struct Page {
    var items: [(QueueView, QueueRates.Rates)]
    /// How many queues there are that fit, on this page or another.
    var matches: Int
    var next: Int?
  }

  init(_ query: Query) throws(Rejection) {
    if let name = query["sort"] {
      guard let order = Order(rawValue: name) else {
        let names = Order.allCases.map(\.rawValue).joined(separator: ", ")
        throw Rejection(.outOfRange, field: "sort", "sort must be one of \(names)")
      }
      self.order = order
    } else {
      order = .name
    }
    match = query["match"]?.asciiLowercased
    let cursor = try query.cursor()
    limit = query["limit"] == nil && cursor == nil ? nil : try query.limit()
    skipped = Int(clamping: cursor ?? 0)
  }

  /// - Parameters:
  ///   - queues: Those that the caller may see, by name.
  ///   - rates: Of a queue, lately.
  func page(of queues: [QueueView], rates: (QueueView) -> QueueRates.Rates) -> Page {
    var found = queues.indices.filter { place in
      match.map { queues[place].name.asciiLowercased.contains($0) } ?? true
    }
    if order != .name {
      var ranks = [Rank](repeating: Rank(0), count: queues.count)
      for place in found { ranks[place] = rank(queues[place], rates) }
      // By name where the ranks are equal, so that a list that does not change keeps its order.
      found.sort { ranks[$0] != ranks[$1] ? ranks[$0] > ranks[$1] : $0 < $1 }
    }
    let rest = found.dropFirst(skipped)
    let shown = rest.prefix(limit ?? rest.count)
    return Page(
      items: shown.map { (queues[$0], rates(queues[$0])) }, matches: found.count,
      next: shown.count < rest.count ? skipped + shown.count : nil)
  }

  /// The larger, the further ahead.
  private func rank(_ queue: QueueView, _ rates: (QueueView) -> QueueRates.Rates) -> Rank {
    let age = queue.oldestReadyMilliseconds ?? -1
    switch order {
    case .name: return Rank(0)
    case .waiting: return Rank(Int64(queue.waiting))
    case .oldest: return Rank(age)
    case .dead: return Rank(Int64(queue.count(.dead)))
    case .rate:
      let rates = rates(queue)
      return Rank(Int64(rates.submitted + rates.leased))
    case .trouble: return Rank(Int64(Self.trouble(queue, rates(queue))), age, Int64(queue.count(.dead)))
    }
  }

  private struct Rank: Comparable {
    let first, second, third: Int64

    init(_ first: Int64, _ second: Int64 = 0, _ third: Int64 = 0) {
      (self.first, self.second, self.third) = (first, second, third)
    }

    static func < (a: Rank, b: Rank) -> Bool {
      (a.first, a.second, a.third) < (b.first, b.second, b.third)
    }
  }

  /// How much a queue wants someone to look at it, as docs/queues.md tells.
  ///
  /// - Returns: 3, jobs die, wait for five minutes or are about to be refused; 2, attempts fail, jobs wait for a minute, or
  ///   it is paused over jobs; 1, it holds dead letters; 0, nothing is wrong.
  static func trouble(_ queue: QueueView, _ rates: QueueRates.Rates) -> Int {
    let age = queue.oldestReadyMilliseconds ?? 0
    let isPaused = queue.pause != nil
    let mostWaiting = queue.settings[.maxLength] ?? .max
    if rates.dead > 0 || age >= 300_000 && !isPaused { return 3 }
    if Int64(queue.waiting) >= mostWaiting / 100 * 95 + mostWaiting % 100 * 95 / 100 { return 3 }
    if rates.failed * 10 > rates.leased && rates.failed > 0 || age >= 60_000 && !isPaused { return 2 }
    if isPaused && queue.waiting > 0 { return 2 }
    return queue.count(.dead) > 0 ? 1 : 0
  }
}

extension QueueView {
  /// Jobs that are READY, SCHEDULED or in RETRY.
  var waiting: Int { Int(count(.ready)) + Int(count(.scheduled)) + Int(count(.retry)) }
}
