import Fuzzing
import Glibc

// libFuzzer's driver with a target of Roost: `roost-fuzz <target> <libFuzzer's arguments>`. Built by `make fuzz` only,
// with the coverage that the driver needs. `roost-fuzz <target> --samples <folder>` writes what a search begins with.

/// `LLVMFuzzerRunDriver` of libFuzzer (https://llvm.org/docs/LibFuzzer.html#using-libfuzzer-as-a-library).
@_silgen_name("LLVMFuzzerRunDriver")
func runDriver(
  _ count: UnsafeMutablePointer<CInt>,
  _ arguments: UnsafeMutablePointer<UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>>,
  _ test: @convention(c) (UnsafePointer<UInt8>?, Int) -> CInt
) -> CInt

private let target = CommandLine.arguments.dropFirst().first.flatMap { FuzzTarget(rawValue: $0) }
guard let target else {
  print("name a target: " + FuzzTarget.allCases.map(\.rawValue).joined(separator: ", "))
  exit(64)
}

/// The target, for a C function, which holds nothing.
private enum Fed {
  static let target = FuzzTarget(rawValue: CommandLine.arguments[1])!
}

if CommandLine.arguments.count == 4, CommandLine.arguments[2] == "--samples" {
  for (number, bytes) in target.samples.enumerated() {
    guard let file = fopen("\(CommandLine.arguments[3])/sample-\(number)", "w") else { exit(73) }
    guard fwrite(bytes, 1, bytes.count, file) == bytes.count, fclose(file) == 0 else { exit(74) }
  }
  exit(0)
}

// The target's name is not for the driver.
var arguments = ([CommandLine.arguments[0]] + CommandLine.arguments.dropFirst(2)).map { strdup($0) } + [nil]
var count = CInt(arguments.count - 1)
let status = arguments.withUnsafeMutableBufferPointer { buffer in
  var start = buffer.baseAddress!
  return runDriver(&count, &start) { bytes, count in
    let input = Array(UnsafeBufferPointer(start: bytes, count: count))
    if let problem = Fed.target.problem(with: input) { fatalError("\(Fed.target.rawValue): \(problem)") }
    return 0
  }
}
exit(status)
