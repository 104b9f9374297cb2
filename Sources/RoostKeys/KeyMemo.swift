/// A key that was judged a moment ago, for a connection that brings the same header again.
package struct KeyMemo: Sendable {
  /// A memo is renewed so often at least, nanoseconds: uses of its key are noted then.
  static let longestNanoseconds: Int64 = 1_000_000_000

  /// The value of `Authorization`; empty where the key came otherwise: then it is not known again.
  let header: Secret
  package let caller: Caller
  /// Of the cache, when it was asked.
  let flushes: UInt64
  /// Nanoseconds of `KeyClock.elapsed`.
  let until: Int64
}

/// The keys that a connection brought last: two, as one that submits and works has.
package struct KeyMemos {
  private var last: KeyMemo?
  private var other: KeyMemo?

  package init() {}

  /// The caller of a header that is known.
  package mutating func caller(_ header: UnsafeRawBufferPointer, _ authenticator: Authenticator) -> Caller? {
    if let last, let caller = authenticator.recall(last, header) { return caller }
    guard let other, let caller = authenticator.recall(other, header) else { return nil }
    swap(&last, &self.other)
    return caller
  }

  package mutating func add(_ memo: KeyMemo) {
    // One that is void is not kept for the one before it.
    if last?.header.matches(memo.header) != true { other = last }
    last = memo
  }
}
