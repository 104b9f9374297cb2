import Glibc
import RoostLog

/// A disk whose syncs can be held, so that a test sees what leaves before one ends.
///
/// `@unchecked Sendable`: everything mutable is touched only under `mutex`.
final class HeldDisk: DiskAround, @unchecked Sendable {
  let inner: any Disk
  private let mutex = UnsafeMutablePointer<pthread_mutex_t>.allocate(capacity: 1)
  private let condition = UnsafeMutablePointer<pthread_cond_t>.allocate(capacity: 1)
  private var isHolding = false
  private var begun = 0
  private var allowed = 0
  private var waiting: [(number: Int, continuation: CheckedContinuation<Void, Never>)] = []

  init(_ inner: any Disk) {
    self.inner = inner
    pthread_mutex_init(mutex, nil)
    pthread_cond_init(condition, nil)
  }

  deinit {
    pthread_cond_destroy(condition)
    pthread_mutex_destroy(mutex)
    condition.deallocate()
    mutex.deallocate()
  }

  /// From now on every sync of a segment waits for `letOneGo`.
  func hold() {
    locked {
      isHolding = true
      begun = 0
      allowed = 0
    }
  }

  func letOneGo() { locked { allowed += 1 } }

  func letAllGo() { locked { isHolding = false } }

  /// Waits until the n-th sync since `hold` has begun, without blocking a thread that tasks run on.
  func waitForSync(_ number: Int) async {
    await withCheckedContinuation { continuation in
      pthread_mutex_lock(mutex)
      let hasBegun = begun >= number
      if !hasBegun { waiting.append((number, continuation)) }
      pthread_mutex_unlock(mutex)
      if hasBegun { continuation.resume() }
    }
  }

  private func locked(_ change: () -> Void) {
    pthread_mutex_lock(mutex)
    change()
    pthread_mutex_unlock(mutex)
    pthread_cond_broadcast(condition)
  }

  func sync(_ file: DiskFile) throws(DiskError) {
    // Only the log's segments are held: spares are made by a thread of their own.
    if file.name.hasSuffix(SegmentName.segmentSuffix) {
      pthread_mutex_lock(mutex)
      if isHolding {
        begun += 1
        let mine = begun
        for entry in waiting where entry.number <= mine { entry.continuation.resume() }
        waiting.removeAll { $0.number <= mine }
        while isHolding, allowed < mine { pthread_cond_wait(condition, mutex) }
      }
      pthread_mutex_unlock(mutex)
    }
    try inner.sync(file)
  }
}
