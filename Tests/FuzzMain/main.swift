import Fuzzing
import Glibc

// libFuzzer's driver with a target of Roost: `roost-fuzz <target> <libFuzzer's arguments>`. Built by `make fuzz` only,
// with the coverage that the driver needs.

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
