import CMachine
import Foundation
import Glibc
import RoostCron

/// Looks at clock, limits and memory.
struct MachineExamination {
  private let configuration: ServeConfiguration

  init(_ configuration: ServeConfiguration) { self.configuration = configuration }

  func findings() -> [Finding] { [clock(), zones(), descriptors(), memory()] }

  private func clock() -> Finding {
    let year = Calendar(identifier: .gregorian).component(.year, from: Date())
    guard (2_025...2_099).contains(year) else {
      return Finding(
        "clock", .problem, "it says the year \(year)",
        "set it, and run a time service such as chrony or systemd-timesyncd")
    }
    switch roost_clock_is_synchronised() {
    case 1: return Finding("clock", .ok, "kept right by a time service")
    case 0:
      return Finding(
        "clock", .warning, "no time service keeps it right",
        "run chrony or systemd-timesyncd: run_at, schedules and expiry follow the clock; leases and retries do not")
    default: return Finding("clock", .ok, "the kernel does not say whether a time service keeps it right")
    }
  }

  private func zones() -> Finding {
    let database = TimeZoneDatabase(environment: Variables.all)
    guard (try? database.zone("Europe/Berlin")) != nil else {
      return Finding(
        "time zones", .warning, "there is no tzdata: schedules know UTC alone", "install the package tzdata")
    }
    return Finding("time zones", .ok, "tzdata\(database.version.map { " \(inert($0))" } ?? "")")
  }

  private func descriptors() -> Finding {
    let limit = DescriptorLimit.raised().descriptors
    let text = "\(limit) files and connections at once"
    if limit < 256 {
      return Finding(
        "limits", .problem, text, "raise it: ulimit -n, LimitNOFILE= of systemd, --ulimit nofile= of Docker")
    }
    if configuration.maxConnections > limit / 2 {
      return Finding(
        "limits", .warning,
        "\(text): \(limit / 2) connections are served, MAX_CONNECTIONS is \(configuration.maxConnections)",
        "raise the limit (ulimit -n, LimitNOFILE=), or lower MAX_CONNECTIONS")
    }
    return Finding("limits", .ok, text)
  }

  private func memory() -> Finding {
    let available = Self.availableBytes()
    let text = available.map { "\(DiskExamination.text(bytes: $0)) to be had" } ?? "unknown"
    guard let limit = configuration.memoryLimitBytes else {
      return Finding("memory", .ok, "\(text); no MEMORY_LIMIT: jobs may take all of it")
    }
    if let available, limit > available {
      return Finding(
        "memory", .warning, "\(text), and MEMORY_LIMIT is \(DiskExamination.text(bytes: limit))",
        "lower MEMORY_LIMIT: beyond it submits are refused, beyond the memory the kernel kills the daemon")
    }
    return Finding("memory", .ok, "\(text), MEMORY_LIMIT \(DiskExamination.text(bytes: limit))")
  }

  /// What the machine has left, or the control group may take.
  private static func availableBytes() -> Int? {
    let machine = (try? String(contentsOfFile: "/proc/meminfo", encoding: .utf8))
      .flatMap { $0.split(separator: "\n").first { $0.hasPrefix("MemAvailable:") } }
      .flatMap { Int($0.filter { $0.isNumber }) }.map { $0 * 1_024 }
    let group = (try? String(contentsOfFile: "/sys/fs/cgroup/memory.max", encoding: .utf8))
      .flatMap { Int($0.filter { $0.isNumber }) }
    return [machine, group].compactMap { $0 }.min()
  }
}
