import CoreFoundation
import Glibc
import Synchronization

/// The last figures, at most a second old: counting descriptors takes as long as there are many.
final class RecentProcessFigures: Sendable {
  private let last = Mutex<(figures: ProcessFigures, time: ContinuousClock.Instant)?>(nil)

  var figures: ProcessFigures {
    last.withLock { last in
      let now = ContinuousClock.now
      if let last, now - last.time < .seconds(1) { return last.figures }
      let figures = ProcessFigures.now()
      last = (figures, now)
      return figures
    }
  }
}

/// What the kernel says of this process, under `/proc/self`.
struct ProcessFigures: Sendable {
  var residentBytes = 0
  var virtualBytes = 0
  var cpuSeconds = 0.0
  var openDescriptors = 0
  var mostDescriptors = 0
  /// Seconds since 1970; nil where the kernel does not say.
  var startSeconds: Double?

  /// Reads them now; memory files of the kernel, so that no disk is waited for.
  static func now() -> ProcessFigures {
    var figures = ProcessFigures()
    let pages = text(of: "/proc/self/statm").split(separator: " ").compactMap { Int($0) }
    if pages.count > 1 {
      let pageBytes = sysconf(Int32(_SC_PAGESIZE))
      (figures.virtualBytes, figures.residentBytes) = (pages[0] * pageBytes, pages[1] * pageBytes)
    }
    var time = timespec()
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time)
    figures.cpuSeconds = Double(time.tv_sec) + Double(time.tv_nsec) / 1e9
    var limit = rlimit()
    getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit)
    figures.mostDescriptors = Int(clamping: limit.rlim_cur)
    figures.openDescriptors = countOfDescriptors()
    figures.startSeconds = startOfProcess()
    return figures
  }

  private static func countOfDescriptors() -> Int {
    guard let directory = opendir("/proc/self/fd") else { return 0 }
    defer { closedir(directory) }
    var count = 0
    while readdir(directory) != nil { count += 1 }
    // Without `.`, `..` and the directory itself.
    return max(0, count - 3)
  }

  /// Field 22 of `stat`, in ticks since the kernel's start, on the wall clock.
  private static func startOfProcess() -> Double? {
    let stat = text(of: "/proc/self/stat")
    // The name, in parentheses, may hold spaces.
    guard let end = stat.lastIndex(of: ")") else { return nil }
    let fields = stat[stat.index(after: end)...].split(separator: " ")
    let booted = text(of: "/proc/stat").split(separator: "\n").first { $0.hasPrefix("btime ") }
    guard fields.count > 19, let ticks = Double(fields[19]), let booted, let base = Double(booted.dropFirst(6)) else {
      return nil
    }
    return base + ticks / Double(sysconf(Int32(_SC_CLK_TCK)))
  }

  private static func text(of file: String) -> String {
    let descriptor = open(file, O_RDONLY | O_CLOEXEC)
    guard descriptor >= 0 else { return "" }
    defer { close(descriptor) }
    var text: [UInt8] = []
    var piece = [UInt8](repeating: 0, count: 16_384)
    while true {
      let count = read(descriptor, &piece, piece.count)
      guard count > 0 else { return String(decoding: text, as: UTF8.self) }
      text += piece[..<count]
    }
  }
}
