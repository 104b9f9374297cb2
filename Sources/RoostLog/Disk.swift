import Glibc

/// One directory, as the log sees it. Crossed a few times per batch, never per record.
///
/// `LinuxDisk` is the real one, `SimulatedDisk` the one that forgets, tears and fails. A name is a plain file name in
/// the directory. Every call may be made from any thread; calls on one file at the same time are the caller's affair.
package protocol Disk: AnyObject, Sendable {
  /// Names of all files, in no particular order.
  func list() throws(DiskError) -> [String]

  /// Opens a file for reading and writing. Whatever else has the name is refused, and not waited for.
  /// - Parameter create: Makes the file, or empties it if it stands.
  func open(_ name: String, create: Bool) throws(DiskError) -> DiskFile

  func size(_ file: DiskFile) throws(DiskError) -> Int

  /// Reads at most as many bytes as the buffer has; fewer only at the end of the file or by a whim of the system.
  /// - Returns: Bytes read; 0 at the end of the file.
  func read(_ file: DiskFile, into buffer: UnsafeMutableRawBufferPointer, at offset: Int) throws(DiskError) -> Int

  /// Reads what needs no wait for the device.
  /// - Returns: Bytes read; nil when the call would have to wait, or cannot tell.
  func tryReadCached(_ file: DiskFile, into buffer: UnsafeMutableRawBufferPointer, at offset: Int) -> Int?

  /// Writes all bytes or throws; after a throw any part of them may stand.
  func write(_ file: DiskFile, _ bytes: UnsafeRawBufferPointer, at offset: Int) throws(DiskError)

  /// Returns once the file's bytes and length are durable (`fdatasync`).
  func sync(_ file: DiskFile) throws(DiskError)

  func truncate(_ file: DiskFile, to bytes: Int) throws(DiskError)

  /// Whether the file has no name any more, in whatever directory, and is open nowhere else: nobody can come to its bytes
  /// but through this handle. False where the system cannot tell.
  func isForsaken(_ file: DiskFile) -> Bool

  /// Whether the directory is still where it was opened.
  func isInPlace() -> Bool

  /// Whether the file has a name in some directory, so that whoever comes later finds it. True where the system cannot
  /// tell.
  func isNamed(_ file: DiskFile) -> Bool

  /// Gives the handle back. A file opened before it was removed stays readable until then.
  func close(_ file: DiskFile)

  /// Atomic; replaces what stands under the new name. Durable after `syncDirectory`.
  func rename(_ name: String, to newName: String) throws(DiskError)

  /// Durable after `syncDirectory`.
  func remove(_ name: String) throws(DiskError)

  func syncDirectory() throws(DiskError)

  /// Takes the directory's lock, which ends with `close` or the process: the directory itself, so that it holds whatever
  /// becomes of the file, and the file with this name, which tells who has it.
  func lock(_ name: String) throws(DiskError) -> LockOutcome

  /// Who holds the lock now, found without touching it; nil when nobody does.
  func lockHolder(_ name: String) -> LockHolder?

  /// Bytes that may still be written.
  func freeBytes() throws(DiskError) -> Int

  /// Forgets clean cached pages, so that the next read sees what the device holds.
  func dropCache(_ file: DiskFile) throws(DiskError)

  /// Begins to read a file that is wanted soon. A hint: failing costs time only.
  func readAhead(_ file: DiskFile)
}

/// An open file: a descriptor and, for messages, its name.
package struct DiskFile: Hashable, Sendable {
  package let descriptor: Int32
  package let name: String
  /// Of the directory that is locked together with this file; nil for every other.
  let lockedDirectory: Int32?

  package init(descriptor: Int32, name: String) {
    self.init(descriptor: descriptor, name: name, lockedDirectory: nil)
  }

  init(descriptor: Int32, name: String, lockedDirectory: Int32?) {
    self.descriptor = descriptor
    self.name = name
    self.lockedDirectory = lockedDirectory
  }
}

/// What may stand where a file should.
package enum OtherThanFile: String, Sendable {
  case directory = "a directory"
  case link = "a symbolic link"
  case fifo = "a FIFO"
  case socket = "a socket"
  case device = "a device"
}

/// The calls that a disk has, by the names that messages use.
package enum DiskOperation: String, Sendable, CaseIterable {
  case list, open, size, read, write, sync, truncate, rename, remove, lock
  case syncDirectory = "sync of the directory"
  case freeBytes = "query of free space"
  case dropCache = "drop of the cache"
}

/// A disk call that failed.
package struct DiskError: Error, Hashable, Sendable {
  package var operation: DiskOperation
  package var file: String
  package var errno: Int32
  /// Why the file could not be opened: it is none.
  package var found: OtherThanFile?

  package init(_ operation: DiskOperation, file: String, errno: Int32, found: OtherThanFile? = nil) {
    self.operation = operation
    self.file = file
    self.errno = errno
    self.found = found
  }

  /// The disk, or a quota, is full: the one failure that may pass.
  package var isOutOfSpace: Bool { errno == ENOSPC || errno == EDQUOT }
}

package enum LockOutcome: Sendable {
  case acquired(DiskFile)
  case held(LockHolder)
}

/// Who holds a directory; the process id where it is known.
package struct LockHolder: Hashable, Sendable {
  package var process: Int32?

  package init(process: Int32?) {
    self.process = process
  }
}

/// The system's words for an error number, the number beside them.
func systemMessage(_ errno: Int32) -> String {
  guard let text = strerror(errno) else { return "error \(errno)" }
  return "\(String(cString: text)) (errno \(errno))"
}
