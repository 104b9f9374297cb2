import RoostCore

/// Who waits for a command's answer. A trivial value: the writer counts no references.
enum Asker {
  case one(UnsafeContinuation<Delivery, Never>)
  /// A command of a group; the group is retained once for all of its commands.
  case group(Unmanaged<CommandGroup>, place: UInt32)
}

/// Commands that one caller left together: one crossing in, one crossing out. Each has its own answer, and none is
/// told before all of them are durable.
///
/// `@unchecked Sendable`: its maker touches it before the mailbox takes it and after its continuation was resumed;
/// in between it belongs to the writer alone.
final class CommandGroup: @unchecked Sendable {
  /// At least 1.
  let count: Int
  private(set) var answers: [Answer]
  /// Reads the records that the last answer names which names any. At most one command of a group leases.
  private(set) var loader: RecordLoader?
  /// None of the answers can be relied on: the group came to nothing, or nobody can tell.
  private(set) var refusal: Refusal?
  private let asker: UnsafeContinuation<CommandGroup, Never>
  private var missing: Int

  init(count: Int, asker: UnsafeContinuation<CommandGroup, Never>) {
    self.count = count
    self.asker = asker
    answers = Array(repeating: .nothing, count: count)
    missing = count
  }

  /// The mailbox did not take it.
  func refuse(_ refusal: Refusal) {
    self.refusal = refusal
    asker.resume(returning: self)
  }

  /// Takes an answer, which is durable. Returns true with the last.
  func take(_ answer: Answer, at place: UInt32, loader: @autoclosure () -> RecordLoader) -> Bool {
    answers[Int(place)] = answer
    switch answer {
    case .leased, .conflict, .ended: self.loader = loader()
    default: break
    }
    missing -= 1
    return missing == 0
  }

  /// The writer ended without this answer. Returns true with the last.
  func abandon(_ refusal: Refusal) -> Bool {
    self.refusal = refusal
    missing -= 1
    return missing == 0
  }

  func finish() { asker.resume(returning: self) }
}
