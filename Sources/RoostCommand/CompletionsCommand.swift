import ArgumentParser

/// `roost completions`: what a shell needs to complete commands and flags.
struct CompletionsCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "completions", abstract: "Print a completion script for bash, zsh or fish.",
    discussion: """
      bash: source <(roost completions bash), or into a file of /etc/bash_completion.d
      zsh:  roost completions zsh >~/.zsh/completions/_roost, a folder of fpath
      fish: roost completions fish >~/.config/fish/completions/roost.fish
      """)

  enum Shell: String, CaseIterable, ExpressibleByArgument { case bash, zsh, fish }

  @Argument(help: "bash, zsh or fish.") var shell: Shell

  func run() throws {
    let kind: CompletionShell =
      switch shell {
      case .bash: .bash
      case .zsh: .zsh
      case .fish: .fish
      }
    try CommandOutput.write(line: Roost.completionScript(for: kind))
  }
}
