import Glibc

/// Nanoseconds of a clock.
func nanoseconds(_ clock: clockid_t = CLOCK_MONOTONIC) -> Int64 {
  var now = timespec()
  clock_gettime(clock, &now)
  return Int64(now.tv_sec) * 1_000_000_000 + Int64(now.tv_nsec)
}

/// Anonymous resident memory of a process in bytes, from `/proc/<id>/status`.
func anonymousBytes(of process: pid_t = getpid()) -> Int {
  guard let file = fopen("/proc/\(process)/status", "r") else { preconditionFailure("/proc is mounted") }
  defer { fclose(file) }
  var line = [CChar](repeating: 0, count: 256)
  while fgets(&line, Int32(line.count), file) != nil {
    let text = String(decoding: line.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
    if text.hasPrefix("RssAnon:"), let kilobytes = Int(text.filter(\.isNumber)) { return kilobytes * 1_024 }
  }
  preconditionFailure("/proc/<id>/status has a line RssAnon")
}

/// A number with a fixed count of decimals.
func decimal(_ value: Double, _ places: Int = 2) -> String {
  guard value.isFinite else { return "-" }
  let scale = (0..<places).reduce(1) { sum, _ in sum * 10 }
  let scaled = Int((value * Double(scale)).rounded())
  guard places > 0 else { return "\(scaled)" }
  let fraction = String(scaled % scale)
  return "\(scaled / scale)." + String(repeating: "0", count: places - fraction.count) + fraction
}

/// A text, right-aligned in `width` columns.
func column(_ text: String, _ width: Int) -> String {
  String(repeating: " ", count: max(0, width - text.count)) + text
}

/// The value in the middle; 0 of none.
func median(_ values: [Double]) -> Double {
  values.isEmpty ? 0 : values.sorted()[values.count / 2]
}

/// What the hypervisor has taken from all processors since the system began, milliseconds; 0 on a machine of its own.
///
/// The eighth figure of the line `cpu` in `/proc/stat` (proc(5)), in hundredths of a second.
func stolenMilliseconds() -> Int64 {
  guard let file = fopen("/proc/stat", "r") else { preconditionFailure("/proc is mounted") }
  defer { fclose(file) }
  var line = [CChar](repeating: 0, count: 256)
  fgets(&line, Int32(line.count), file)
  let fields = line.prefix { $0 != 0 && $0 != 10 }.split(separator: 32)
  return fields.count > 8 ? 10 * fields[8].reduce(0) { 10 * $0 + Int64($1 - 48) } : 0
}
