/// How the last lease of a job ended that has left: for the worker whose answer was lost and who asks again.
struct Receipt: BitwiseCopyable {
  var number: UInt64
  /// The full check of the job's id.
  var check: UInt64
  var lease: LeaseID
  /// Wall time, milliseconds.
  var endedAt: Int64
  /// CRC32C of the result or error.
  var said: UInt32
  /// Seconds of uptime until which the job's idempotency key answers; 0: it has none.
  var keyUntil: UInt32
  /// Interned names, each counted.
  var queue: UInt32
  var owner: UInt32
  var keyID: UInt32
  var outcome: Outcome
  var state: JobState
}

/// The receipts of jobs that left last: one for each number modulo the capacity, so that a later job's takes the place of
/// an earlier one's. Volatile: a replay finds what the log still says.
struct ReceiptTable: ~Copyable {
  /// 2¹⁷: 9 MB once so many jobs have left.
  static let capacity: UInt64 = 1 << 17
  private static let pageBits: UInt64 = 10

  /// Made as they are needed, so that no commit waits for much of it.
  private var pages: [[Receipt?]] = Array(repeating: [], count: Int(capacity >> pageBits))

  /// The receipt of a job.
  func find(_ number: UInt64) -> Receipt? {
    let (page, place) = Self.place(number)
    guard !pages[page].isEmpty, let receipt = pages[page][place], receipt.number == number else { return nil }
    return receipt
  }

  /// Keeps a receipt. Returns the one that had its place.
  mutating func insert(_ receipt: Receipt) -> Receipt? {
    let (page, place) = Self.place(receipt.number)
    if pages[page].isEmpty { pages[page] = Array(repeating: nil, count: 1 << Self.pageBits) }
    let former = pages[page][place]
    pages[page][place] = receipt
    return former
  }

  private static func place(_ number: UInt64) -> (page: Int, place: Int) {
    let index = number & (capacity - 1)
    return (Int(index >> pageBits), Int(index & (1 << pageBits - 1)))
  }
}
