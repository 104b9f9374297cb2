/// Settings that the daemon understands before it can do what they ask: to ignore one would be to run otherwise than
/// was asked, so it does not start.
extension ServeConfiguration {
  func requireSupport() throws(ConfigurationProblems) {
    let problems = [
      unsupported(.redisURL)
    ].compactMap { $0 }
    if !problems.isEmpty { throw ConfigurationProblems(problems: problems, logFormat: logFormat) }
  }

  private func unsupported(_ setting: Setting) -> String? {
    sources[setting].map { _ in problem(setting, "this release cannot do that: leave it out") }
  }
}
