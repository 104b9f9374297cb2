import Glibc
import RoostLog

/// The thread that keeps spare segments ready and removes trimmed ones, so that no commit waits for either.
///
/// `@unchecked Sendable`: everything mutable is touched only under `mutex`.
final class Provisioning: @unchecked Sendable {
  private let provisioner: SegmentProvisioner
  private let onFailure: @Sendable (LogError) -> Void
  private let mutex = UnsafeMutablePointer<pthread_mutex_t>.allocate(capacity: 1)
  private let condition = UnsafeMutablePointer<pthread_cond_t>.allocate(capacity: 1)
  private var isWanted = true
  private var isStopped = false
  private var isRunning = false

  init(_ provisioner: SegmentProvisioner, onFailure: @escaping @Sendable (LogError) -> Void) {
    self.provisioner = provisioner
    self.onFailure = onFailure
    pthread_mutex_init(mutex, nil)
    pthread_cond_init(condition, nil)
  }

  deinit {
    pthread_cond_destroy(condition)
    pthread_mutex_destroy(mutex)
    condition.deallocate()
    mutex.deallocate()
  }

  func start() {
    signal { isRunning = true }
    EngineThread.start("roost-segments") {
      self.run()
      self.signal { self.isRunning = false }
    }
  }

  /// The stock is below its target, or a trim left files: work.
  func wake(ifNeeded space: SpaceState) {
    guard space.spareBytes < space.targetBytes || space.trimmedSegments > 0 else { return }
    signal { isWanted = true }
  }

  func stop() { signal { isStopped = true } }

  /// Stops and waits for the step that is under way: whoever gets the directory's lock next finds nobody at work in it.
  func end() {
    stop()
    pthread_mutex_lock(mutex)
    while isRunning { pthread_cond_wait(condition, mutex) }
    pthread_mutex_unlock(mutex)
  }

  private func signal(_ change: () -> Void) {
    pthread_mutex_lock(mutex)
    change()
    pthread_mutex_unlock(mutex)
    pthread_cond_broadcast(condition)
  }

  private func run() {
    while waitUntilWanted() {
      do throws(LogError) {
        while try provisioner.provision() {
          if isOver { return }
        }
      } catch {
        return onFailure(error)
      }
    }
  }

  private var isOver: Bool {
    pthread_mutex_lock(mutex)
    defer { pthread_mutex_unlock(mutex) }
    return isStopped
  }

  private func waitUntilWanted() -> Bool {
    pthread_mutex_lock(mutex)
    defer { pthread_mutex_unlock(mutex) }
    while !isWanted, !isStopped { pthread_cond_wait(condition, mutex) }
    isWanted = false
    return !isStopped
  }
}
