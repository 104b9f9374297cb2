import ArgumentParser

/// What someone meant who mistyped a command, or whose payload looks like a flag.
enum Mistyped {
  /// Names the command that was meant; nil where every command that stands there exists.
  static func command(_ arguments: [String], below root: any ParsableCommand.Type) -> String? {
    var command = root
    for argument in arguments {
      let below = command.configuration.subcommands
      guard !below.isEmpty, !argument.hasPrefix("-") else { return nil }
      // `roost help keys` names commands, too.
      if argument == "help" { continue }
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

  /// Names the option of `roost` itself that was meant; nil where the first argument is near none. The parser suggests
  /// only those that are declared.
  static func option(_ arguments: [String]) -> String? {
    guard let first = arguments.first, first.hasPrefix("--"),
      let near = NearestName.to(first, among: ["--help", "--version"]), near != first
    else { return nil }
    return "there is no option \(inert(first)): did you mean \(near)?"
  }

  /// A number below zero is taken for a flag.
  static func number(_ arguments: [String]) -> String? {
    guard arguments.first == SubmitCommand._commandName, !arguments.contains("--"),
      let number = arguments.last(where: { $0.hasPrefix("-") && Double($0) != nil })
    else { return nil }
    return "A payload that begins with - stands behind --: roost submit -- \(number)"
  }
}
