/// That no other job of its owner may be like it, as a job says it: in its body, the option `JobOption.unique`.
///
/// Layout: hash 16, until 1, time of a window in ms 8, what becomes of a conflict 1, longest wait in ms 8, what it is by 1
/// (0: a key; else a bit for each part), the key.
package struct JobUnique: Equatable, Sendable {
  /// Of the owner and the key, or of the owner and the parts that count.
  package var hash: KeyHash
  package var until: Until
  package var onConflict: OnConflict
  /// Milliseconds by which repeated submits put a job off at most, counted from the first of them; 0: without bound.
  package var maxWaitMilliseconds: Int64
  /// What counts; empty: the key.
  package var by: Parts
  package var key: [UInt8]

  /// How long the key is held.
  package enum Until: Equatable, Sendable {
    /// Until the first attempt begins.
    case started
    /// Until the job has ended.
    case ended
    /// So many milliseconds from the submit, whatever becomes of the job.
    case window(Int64)
  }

  /// What becomes of a submit while another job holds the key; raw values stand in the log.
  package enum OnConflict: UInt8, Sendable, CaseIterable {
    /// It is answered with the job that is there.
    case existing = 0
    case reject = 1
    /// A job that waits is cancelled, and this one takes its place.
    case replace = 2
  }

  /// What of a job counts.
  package struct Parts: OptionSet, Sendable {
    package let rawValue: UInt8
    package init(rawValue: UInt8) { self.rawValue = rawValue }

    package static let type = Parts(rawValue: 1)
    package static let queue = Parts(rawValue: 2)
    package static let group = Parts(rawValue: 4)
    package static let payload = Parts(rawValue: 8)
    package static let all: Parts = [.type, .queue, .group, .payload]
  }

  /// The longest window and the longest wait, milliseconds: thirty days.
  package static let mostMilliseconds: Int64 = 2_592_000_000

  package init(
    hash: KeyHash, until: Until, onConflict: OnConflict, maxWaitMilliseconds: Int64, by: Parts, key: [UInt8]
  ) {
    self.hash = hash
    self.until = until
    self.onConflict = onConflict
    self.maxWaitMilliseconds = maxWaitMilliseconds
    self.by = by
    self.key = key
  }

  package var encoded: [UInt8] {
    var bytes: [UInt8] = []
    func put(_ value: some FixedWidthInteger) {
      withUnsafeBytes(of: value.littleEndian) { bytes.append(contentsOf: $0) }
    }
    put(hash.low)
    put(hash.high)
    switch until {
    case .ended: put(UInt8(0))
    case .started: put(UInt8(1))
    case .window: put(UInt8(2))
    }
    if case .window(let milliseconds) = until { put(milliseconds) } else { put(Int64(0)) }
    put(onConflict.rawValue)
    put(maxWaitMilliseconds)
    put(by.rawValue)
    return bytes + key
  }

  /// The hash that a job's body says; nil where it says none.
  static func hash(inBody bytes: UnsafeRawBufferPointer) -> KeyHash? {
    guard JobBodyLayout.hasOptions(bytes), let body = JobBodyLayout(bytes) else { return nil }
    return JobUnique(body.options)?.hash
  }

  /// What a job says; nil where it says nothing of it, or nothing that a daemon writes.
  package init?(_ options: JobOptions) {
    guard !options.isEmpty, let bytes = options[.unique] else { return nil }
    var reader = RecordReader(bytes)
    hash = KeyHash(low: reader.get(), high: reader.get())
    let (form, window) = (reader.get(UInt8.self), reader.get(Int64.self))
    guard let onConflict = OnConflict(rawValue: reader.get()) else { return nil }
    self.onConflict = onConflict
    maxWaitMilliseconds = reader.get()
    by = Parts(rawValue: reader.get())
    key = [UInt8](reader.rest)
    switch form {
    case 0 where window == 0: until = .ended
    case 1 where window == 0: until = .started
    case 2 where (1...Self.mostMilliseconds).contains(window): until = .window(window)
    default: return nil
    }
    guard !reader.isShort, by.isSubset(of: .all), by.isEmpty == !key.isEmpty, key.count <= Int(UInt8.max),
      (0...Self.mostMilliseconds).contains(maxWaitMilliseconds)
    else { return nil }
  }
}
