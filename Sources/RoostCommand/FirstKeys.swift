import Logging
import RoostKeys

/// Makes the first keys of an empty store: at the start, or as soon as Redis is there.
struct FirstKeys: Sendable {
  let bootstrap: KeyBootstrap
  let isDevelopment: Bool
  let logger: Logger

  /// Makes them if the store is empty; development keys are also printed if it is not.
  ///
  /// - Returns: False if the store cannot be asked now.
  func make() async throws(CommandFailure) -> Bool {
    do throws(KeyBootstrap.Failure) {
      try await attempt()
      return true
    } catch {
      if case .store(let error) = error {
        if isPassing(error) { return false }
        throw CommandFailure(store: error)
      }
      throw CommandFailure(.unusable, inert("\(error)"))
    }
  }

  /// Tries again until it is done or the task is cancelled.
  func makeLater() async {
    while (try? await Task.sleep(for: .milliseconds(250))) != nil {
      do throws(KeyBootstrap.Failure) {
        return try await attempt()
      } catch {
        if case .store(let error) = error, isPassing(error) { continue }
        return logger.error("the first keys cannot be made", metadata: ["reason": "\(error)"])
      }
    }
  }

  private func attempt() async throws(KeyBootstrap.Failure) {
    if isDevelopment {
      for line in try await bootstrap.ensureDevKeys() { StandardStream.output.write(line: line.reveal()) }
      return
    }
    do throws(KeyStoreError) {
      switch try await bootstrap.ensureAdminKey() {
      case .held: break
      case .made(let file):
        logger.notice(
          "an admin key was made; its file is the only place where it stands", metadata: ["file": "\(file)"])
      case .lost:
        logger.error(
          """
          the key store holds no key, though keys were made before: no admin key is made in their place. Restore the \
          store from a copy; or copy the data directory's keys into Redis with `roost keys migrate`; or make a new \
          admin key with `roost keys create --type admin`
          """)
      }
    } catch {
      throw .store(error)
    }
  }

  /// Whether it may be otherwise in a moment, without anyone's doing here.
  private func isPassing(_ error: KeyStoreError) -> Bool {
    switch error {
    case .unreachable, .refused: true
    case .corrupt, .unknownFormat, .vanished, .changed, .locked, .duplicate, .damaged, .system: false
    }
  }
}
