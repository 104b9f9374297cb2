import Glibc

/// How many file descriptors this process may have, and how many of them connections may take.
///
/// Connections and the log draw on one pool. A log that cannot open its next segment has to stop, so connections get
/// at most half, and those beyond wait in the kernel's queue.
struct DescriptorLimit {
  /// Descriptors that may be open at once.
  let descriptors: Int

  /// How many connections are accepted at once: at least one.
  var connections: Int { max(1, descriptors / 2) }

  /// Raises the soft limit to the hard one, as far as the system lets it. The soft one is low by custom, for programs
  /// that use `select`; there is none here.
  static func raised() -> DescriptorLimit {
    let resource = __rlimit_resource_t(RLIMIT_NOFILE.rawValue)
    var limit = rlimit()
    guard getrlimit(resource, &limit) == 0 else { return DescriptorLimit(descriptors: 256) }
    var wanted = limit
    wanted.rlim_cur = limit.rlim_max
    if setrlimit(resource, &wanted) == 0 { limit = wanted }
    return DescriptorLimit(descriptors: Int(clamping: limit.rlim_cur))
  }
}
