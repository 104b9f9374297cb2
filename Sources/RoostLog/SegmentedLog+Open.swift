import Glibc

extension SegmentedLog {
  /// Takes the directory's lock, checks the whole log and hands every frame over in order; makes a log where none is.
  ///
  /// Nothing is changed before the whole log was found good; then a torn tail is set aside and what a crash left over
  /// is removed. A crash at any step is healed by opening again.
  ///
  /// - Parameters:
  ///   - outlook: Called before the replay of a log that exists, when the directory is this process's.
  ///   - accept: Called behind the replay of a log that exists: the last chance to refuse it.
  /// - Throws: `locked`, `unknownVersion`, `corrupt`, `io`, `notADirectory`, and whatever `replay` and `accept` throw.
  package static func open(
    disk: any Disk, options: LogOptions, outlook: (borrowing LogOutlook) -> Void = { _ in },
    accept: () throws(LogError) -> Void = { () throws(LogError) in },
    replay: (borrowing ReplayedFrame) throws(LogError) -> Void
  ) throws(LogError) -> SegmentedLog {
    let lockFile = try lock(disk)
    do throws(LogError) {
      let recovery = LogRecovery(disk: disk, options: options)
      let beginning = try recovery.run(lockFile: lockFile, outlook: outlook, accept: accept, replay: replay)
      return SegmentedLog(beginning, disk: disk, options: options)
    } catch {
      disk.close(lockFile)
      throw error
    }
  }

  private static func lock(_ disk: any Disk) throws(LogError) -> DiskFile {
    let outcome: LockOutcome
    do throws(DiskError) {
      outcome = try disk.lock(SegmentName.lock)
    } catch {
      if error.found != nil { throw LogError(error) }
      switch error.errno {
      case EACCES, EROFS, EPERM: throw .notADirectory(path: error.file, errno: error.errno)
      default: throw LogError(error)
      }
    }
    switch outcome {
    case .acquired(let file): return file
    case .held(let holder): throw .locked(by: holder.process)
    }
  }
}

/// What is known of a log before it is replayed: it helps to size memory and to tell progress, nothing more.
package struct LogOutlook: ~Copyable {
  /// Of its segments' files: the last one is rarely full.
  package let bytes: Int
  /// Records of the last segment's first frame; none where there is but one segment.
  package let records: UnsafeRawBufferPointer
}
