import Glibc

extension SegmentedLog {
  /// Takes the directory's lock, checks the whole log and hands every frame over in order; makes a log where none is.
  ///
  /// Nothing is changed before the whole log was found good; then a torn tail is set aside and what a crash left over
  /// is removed. A crash at any step is healed by opening again.
  ///
  /// - Parameter outlook: Called before the replay with the records of the last segment's first frame and about
  ///   the bytes of all, if there are several: what they say of the end helps to size memory, nothing more.
  /// - Throws: `locked`, `unknownVersion`, `corrupt`, `io`, `notADirectory`, and whatever `replay` throws.
  package static func open(
    disk: any Disk, options: LogOptions, outlook: (UnsafeRawBufferPointer, Int) -> Void = { _, _ in },
    replay: (borrowing ReplayedFrame) throws(LogError) -> Void
  ) throws(LogError) -> SegmentedLog {
    let lockFile = try lock(disk)
    do throws(LogError) {
      let recovery = LogRecovery(disk: disk, options: options)
      let beginning = try recovery.run(lockFile: lockFile, outlook: outlook, replay: replay)
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
