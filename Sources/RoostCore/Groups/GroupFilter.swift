/// How a filter names the jobs that say no group: no group's name begins like that.
package enum GroupFilter {
  package static let none = "_"

  static func isOfNone(_ name: UnsafeRawBufferPointer) -> Bool { name.elementsEqual(none.utf8) }

  private static let text: StaticString = "_"
  static var noneBytes: UnsafeRawBufferPointer { UnsafeRawBufferPointer(start: text.utf8Start, count: 1) }
}

extension StateMachine {
  /// The name of the groups that a filter is for, `.none` for the jobs that say none; nil where no group has it.
  mutating func groupNamed(_ text: UnsafeRawBufferPointer) -> UInt32? {
    if GroupFilter.isOfNone(text) { return UInt32.none }
    let name = groupNames.find(text)
    return name == .none ? nil : name
  }

  /// A group's name as a filter says it.
  func nameOfFilter(_ group: UInt32) -> UnsafeRawBufferPointer {
    group == .none ? GroupFilter.noneBytes : groupNames.bytes(group)
  }
}
