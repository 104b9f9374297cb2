import CCRC32C
import Glibc

/// A thread of our own: the writer and the zero-filling work must not share one with handlers.
enum EngineThread {
  private final class Start {
    let name: String
    let body: @Sendable () -> Void

    init(_ name: String, _ body: @escaping @Sendable () -> Void) {
      self.name = name
      self.body = body
    }
  }

  /// Runs `body` on a new, detached thread.
  static func start(_ name: String, _ body: @escaping @Sendable () -> Void) {
    var thread = pthread_t()
    let start = Unmanaged.passRetained(Start(name, body))
    let status = pthread_create(
      &thread, nil,
      { argument in
        let start = Unmanaged<Start>.fromOpaque(argument!).takeRetainedValue()
        roost_name_thread(start.name)
        start.body()
        return nil
      }, start.toOpaque())
    precondition(status == 0, "a daemon can start its threads")
    pthread_detach(thread)
  }
}

extension ClockReading {
  /// The machine's clocks now.
  package static func now() -> ClockReading {
    ClockReading(boot: nanoseconds(CLOCK_BOOTTIME), wall: nanoseconds(CLOCK_REALTIME))
  }

  /// The kernel's boot id, hashed (FNV-1a): the boot clock counts on while it is the same. 0 when it cannot be read.
  package static func bootID() -> UInt64 {
    guard let file = fopen("/proc/sys/kernel/random/boot_id", "r") else { return 0 }
    defer { fclose(file) }
    var hash: UInt64 = 0xcbf2_9ce4_8422_2325
    while case let byte = fgetc(file), byte != EOF {
      hash = (hash ^ UInt64(UInt8(truncatingIfNeeded: byte))) &* 0x100_0000_01b3
    }
    return hash
  }

  private static func nanoseconds(_ clock: clockid_t) -> Int64 {
    var time = timespec()
    clock_gettime(clock, &time)
    return Int64(time.tv_sec) * 1_000_000_000 + Int64(time.tv_nsec)
  }
}

/// Memory whose pages another core makes while the replay fills those before them.
///
/// `@unchecked Sendable`: only addresses, which are handed to the kernel and never read or written here. Should the
/// memory be gone by then, the kernel finds nothing to do.
private struct FutureMemory: @unchecked Sendable {
  let blocks: [UnsafeRawBufferPointer]
}

/// Has the kernel make the pages of some memory in the background, unless it is too little to be worth a thread.
func prefault(_ blocks: [UnsafeRawBufferPointer]) {
  guard blocks.reduce(0, { $0 + $1.count }) >= 16 << 20 else { return }
  let memory = FutureMemory(blocks: blocks)
  EngineThread.start("roost-pages") {
    for block in memory.blocks { roost_populate(block.baseAddress, block.count) }
  }
}
