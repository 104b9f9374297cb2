import ArgumentParser

/// What someone meant who mistyped a command, or whose payload looks like a flag.
enum Mistyped {
  /// Names the command that was meant; nil where every command that stands there exists.
  static func command(_ arguments: [String], below root: any ParsableCommand.Type) -> String? {
    var command = root
    for argument in arguments {
      let below = command.configuration.subcommands
      guard !below.isEmpty, !argument.hasPrefix("-"), argument != "help" else { return nil }
      let isNamed = { (other: any ParsableCommand.Type) in
        other._commandName == argument || other.configuration.aliases.contains(argument)
      }
      if let next = below.first(where: isNamed) {
        command = next
        continue
      }
      let names = below.map { $0._commandName }
      let hint = NearestName.hint(argument, among: names)
      let known = "Commands: \(names.joined(separator: ", ")); roost --help shows what they do"
      return "there is no command \(inert(argument))\(hint)\n\(known)"
    }
    return nil
  }

  /// A number below zero is taken for a flag.
  static func number(_ arguments: [String]) -> String? {
    guard arguments.first == SubmitCommand._commandName, !arguments.contains("--"),
      let number = arguments.last(where: { $0.hasPrefix("-") && Double($0) != nil })
    else { return nil }
    return "A payload that begins with - stands behind --: roost submit -- \(number)"
  }
}
