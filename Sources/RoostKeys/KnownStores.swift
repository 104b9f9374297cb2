/// The key stores that a daemon of this data directory has seen with keys, one a line in the file `keys.seen`: an empty
/// store among them has lost its keys.
struct KnownStores: Sendable {
  private let file: PrivateFile

  init(directory: String) {
    file = PrivateFile(directory: directory, name: "keys.seen")
  }

  func contains(_ place: String) throws(KeyStoreError) -> Bool {
    try lines().contains { $0.elementsEqual(place.utf8) }
  }

  /// Remembers a store, durably.
  func add(_ place: String) throws(KeyStoreError) {
    let known = try lines()
    guard !known.contains(where: { $0.elementsEqual(place.utf8) }) else { return }
    let all = known + [Array(place.utf8)[...]]
    try file.replace(with: all.flatMap { $0 + [UInt8(ascii: "\n")] })
  }

  private func lines() throws(KeyStoreError) -> [ArraySlice<UInt8>] {
    try file.read()?.bytes.split(separator: UInt8(ascii: "\n")) ?? []
  }
}
