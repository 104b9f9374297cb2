import Synchronization

/// The metrics' text for all who ask: made by one task at a time, and told again while it is new. Anyone may ask, without
/// a key and as often as they like, and that may cost the daemon no more than one exposition for each age.
final class SharedExposition: Sendable {
  private struct Made {
    let text: Task<[UInt8], Never>
    let since: ContinuousClock.Instant
    var isComplete = false
  }

  private let age: Duration
  private let made = Mutex<Made?>(nil)

  /// - Parameter age: For how long, from its beginning on, a text counts as new; zero: until it is complete.
  init(age: Duration) { self.age = age }

  /// The text that is new, or a new one.
  func text(_ make: @escaping @Sendable () async -> [UInt8]) async -> [UInt8] {
    let text = made.withLock { made in
      let now = ContinuousClock.now
      if let made, !made.isComplete || now - made.since < age { return made.text }
      // No request's own: others wait for it when the one that began it is gone.
      let text = Task { [self] in
        let text = await make()
        complete()
        return text
      }
      made = Made(text: text, since: now)
      return text
    }
    return await text.value
  }

  private func complete() { made.withLock { made -> Void in made?.isComplete = true } }
}
