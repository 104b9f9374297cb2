import ArgumentParser
import Foundation
import Logging
import RoostKeys
import RoostLog

/// Where keys stand, by the same rules as for the daemon: Redis if it is named, else the data directory.
/// The address of Redis is a secret, so it comes from `REDIS_URL` or a file, never from a flag.
struct KeyPlace: ParsableArguments {
  @OptionGroup var data: DataDirectory
  @Option(help: "File whose first line is the address of Redis (default: the variable REDIS_URL).")
  var redisUrlFile: String?

  /// The keys, where they stand. If that is Redis, it says so on standard error: the result stands elsewhere than the
  /// data directory might suggest.
  func service() throws(CommandFailure) -> KeyService {
    guard let address = try redisAddress() else { return KeyService(store: try embedded()) }
    StandardStream.error.write(line: "keys in \(inert("\(address)"))")
    return KeyService(store: RedisKeyStore(address, listens: false))
  }

  private var directory: String { data.path }

  /// Where what is done here is written down, beside what the daemon does; only what goes wrong is said.
  func audit() -> AuditLog {
    AuditLog(directory: directory, logger: Logger(label: "roost") { _ in LineLogHandler(level: .error) })
  }

  /// The store of the data directory, which must be there.
  func embedded() throws(CommandFailure) -> EmbeddedKeyStore {
    var status = stat()
    let reason = stat(directory, &status) != 0 ? errno : status.st_mode & S_IFMT == S_IFDIR ? 0 : ENOTDIR
    let missing = LogError.notADirectory(path: directory, errno: reason)
    if let failure = CommandFailure(missing: "data directory", directory, missing) { throw failure }
    do throws(KeyStoreError) {
      return try EmbeddedKeyStore(directory: directory)
    } catch {
      throw CommandFailure(store: error)
    }
  }

  /// nil: none is named.
  func redisAddress() throws(CommandFailure) -> RedisAddress? {
    do throws(RedisAddress.Problem) {
      if let redisUrlFile { return try RedisAddress(file: redisUrlFile) }
      guard let text = Variables["REDIS_URL"] else { return nil }
      return try RedisAddress(Secret(text))
    } catch {
      throw CommandFailure(.usage, "\(redisUrlFile == nil ? "REDIS_URL" : "--redis-url-file"): \(inert("\(error)"))")
    }
  }
}

extension RedisAddress {
  /// Reads the first line of a file.
  init(file: String) throws(Problem) {
    guard let content = try? String(contentsOfFile: file, encoding: .utf8) else {
      throw Problem(description: "the file \(inert(file)) cannot be read")
    }
    try self.init(Secret(String(content.prefix { !$0.isNewline })))
  }
}
