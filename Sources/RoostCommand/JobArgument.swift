import ArgumentParser
import RoostCore

/// A job's id on the command line: checked for its form, so that it can stand in a path.
struct JobArgument: ExpressibleByArgument {
  let id: JobID

  init?(argument: String) {
    guard let id = JobID(argument) else { return nil }
    self.id = id
  }
}
