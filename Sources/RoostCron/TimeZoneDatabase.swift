import Glibc

/// The time zones of the system: the files of the tz database below a directory, which are read anew at each call.
package struct TimeZoneDatabase: Sendable {
  /// Where tzdata installs it.
  package static let standardDirectory = "/usr/share/zoneinfo"
  /// The longest name that is looked up, in bytes; the database's own have up to 38.
  package static let maxNameBytes = 64
  /// The largest file that is read; zones have up to 4 KiB.
  private static let maxFileBytes = 65_536

  package let directory: String

  package init(directory: String = standardDirectory) { self.directory = directory }

  /// The database that TZDIR names; without it that of tzdata.
  package init(environment: [String: String]) {
    let named = environment["TZDIR"] ?? ""
    self.init(directory: named.isEmpty ? Self.standardDirectory : named)
  }

  /// Reads a zone. `UTC` is there without a database, too.
  ///
  /// - Parameter name: As in `Europe/Berlin`; it may come from anyone: nothing outside of the directory is opened but
  ///   what a link in it names.
  package func zone(_ name: String) throws(TimeZoneError) -> TimeZoneTable {
    guard Self.isName(name) else { throw .invalidName }
    let bytes: [UInt8]
    do throws(FileError) {
      bytes = try Self.read("\(directory)/\(name)")
    } catch {
      if name == "UTC" { return .utc }
      switch error {
      case .notRegular: throw .unknown(name)
      case .system(let errno) where errno == ENOENT || errno == ENOTDIR:
        throw access(directory, X_OK) == 0 ? .unknown(name) : .noDatabase(directory: directory)
      case .system(let errno): throw .unreadable(name, errno: errno)
      }
    }
    do throws(MalformedTZif) {
      return try TimeZoneTable(tzif: bytes)
    } catch .notTZif {
      // Tables for people are among the zones: zone.tab.
      throw .unknown(name)
    } catch {
      throw .malformed(name, error)
    }
  }

  /// The release of the database, such as `2026f`; nil where the directory does not say it.
  package var version: String? {
    for (file, prefix) in [("tzdata.zi", "# version "), ("+VERSION", "")] {
      guard let bytes = try? Self.read("\(directory)/\(file)", upTo: 64), bytes.starts(with: prefix.utf8) else {
        continue
      }
      let version = bytes.dropFirst(prefix.utf8.count).prefix { $0 > 0x20 && $0 < 0x7F }
      if !version.isEmpty { return String(decoding: version, as: UTF8.self) }
    }
    return nil
  }

  /// Words of letters, digits and `. _ + -`, none of which begins with a dot, with `/` between them.
  private static func isName(_ name: String) -> Bool {
    let words = name.utf8.split(separator: UInt8(ascii: "/"), omittingEmptySubsequences: false)
    return name.utf8.count <= maxNameBytes
      && words.allSatisfy { word in
        !word.isEmpty && word.first != UInt8(ascii: ".")
          && word.allSatisfy { byte in
            switch byte {
            case 0x30...0x39, 0x41...0x5A, 0x61...0x7A: true
            case UInt8(ascii: "."), UInt8(ascii: "_"), UInt8(ascii: "+"), UInt8(ascii: "-"): true
            default: false
            }
          }
      }
  }

  private enum FileError: Error {
    case notRegular
    case system(errno: Int32)
  }

  /// - Parameter limit: As many bytes from the start; nil: all of them.
  private static func read(_ path: String, upTo limit: Int? = nil) throws(FileError) -> [UInt8] {
    // What is no regular file must not be waited for.
    let descriptor = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK)
    guard descriptor >= 0 else { throw .system(errno: errno) }
    defer { close(descriptor) }
    var status = stat()
    guard fstat(descriptor, &status) == 0 else { throw .system(errno: errno) }
    guard status.st_mode & S_IFMT == S_IFREG else { throw .notRegular }
    guard limit != nil || status.st_size <= maxFileBytes else { throw .system(errno: EFBIG) }
    var bytes = [UInt8](repeating: 0, count: limit ?? maxFileBytes)
    var filled = 0
    while filled < bytes.count {
      let count = bytes.withUnsafeMutableBytes { Glibc.read(descriptor, $0.baseAddress! + filled, $0.count - filled) }
      if count == 0 { break }
      if count > 0 { filled += count } else if errno != EINTR { throw .system(errno: errno) }
    }
    bytes.removeLast(bytes.count - filled)
    return bytes
  }
}

/// What an error number of the system means.
func errorText(_ errno: Int32) -> String { String(cString: strerror(errno)) }
