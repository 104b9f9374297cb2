import Foundation
import Logging
import RoostKeys

/// Makes the first keys of an empty store: at the start, or as soon as Redis is there.
struct FirstKeys: Sendable {
  let bootstrap: KeyBootstrap
  let isDevelopment: Bool
  /// One that was made beforehand, and its file: no other is made then.
  let adminKey: (key: APIKey, file: String)?
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
      do throws(KeyBootstrap.Failure) {
        for line in try await bootstrap.ensureDevKeys() { StandardStream.output.write(line: line.reveal()) }
      } catch {
        guard case .lost = error else { throw error }
        return tellLost("no development keys are made", afterwards: ", and start again")
      }
    }
    do throws(KeyStoreError) {
      if let adminKey { return tell(try await bootstrap.install(adminKey.key), adminKey.file) }
      if isDevelopment { return }
      switch try await bootstrap.ensureAdminKey() {
      case .held: break
      case .made(let file):
        logger.notice(
          "an admin key was made; its file is the only place where it stands", metadata: ["file": "\(file)"])
      case .lost: tellLost("no admin key is made")
      }
    } catch {
      throw .store(error)
    }
  }

  /// Whoever repairs the store, or makes a key by hand, has seen it: until then the store stays empty, and is told as such.
  private func tellLost(_ what: String, afterwards: String = "") {
    logger.error(
      """
      the key store holds no key, though keys were made before: \(what) in their place. Restore the \
      store from a copy; or copy the data directory's keys into Redis with `roost keys migrate`; or make a new \
      admin key with `roost keys create --type admin`\(afterwards)
      """)
  }

  private func tell(_ installation: KeyBootstrap.Installation, _ file: String) {
    let metadata: Logger.Metadata = ["file": "\(file)"]
    switch installation {
    case .held: break
    case .lost: tellLost("the admin key of ADMIN_KEY_FILE is not put", afterwards: ", and start again")
    case .installed:
      logger.notice("the admin key of ADMIN_KEY_FILE was put into the key store", metadata: metadata)
    case .revoked:
      logger.error(
        "the admin key of ADMIN_KEY_FILE was revoked and stays so: put another into the file (`roost keys mint`)",
        metadata: metadata)
    case .taken:
      logger.error(
        """
        the key store holds another key under the id of the one in ADMIN_KEY_FILE: put a new one into the file \
        (`roost keys mint`)
        """, metadata: metadata)
    }
  }

  /// Whether it may be otherwise in a moment, without anyone's doing here.
  private func isPassing(_ error: KeyStoreError) -> Bool {
    switch error {
    case .unreachable, .refused: true
    case .corrupt, .unknownFormat, .vanished, .changed, .locked, .duplicate, .damaged, .full, .system: false
    }
  }
}

extension APIKey {
  /// The admin key in the first line of a file.
  ///
  /// - Throws: `usage`, without what stands there.
  init(adminKeyFile file: String) throws(CommandFailure) {
    guard let content = try? String(contentsOfFile: file, encoding: .utf8) else {
      throw CommandFailure(.usage, "ADMIN_KEY_FILE: the file \(inert(file)) cannot be read")
    }
    guard let key = APIKey(content.prefix { !$0.isNewline }), key.type == .admin else {
      throw CommandFailure(
        .usage,
        "ADMIN_KEY_FILE: the first line of \(inert(file)) is no admin key: make one with roost keys mint >\(inert(file))"
      )
    }
    self = key
  }
}
