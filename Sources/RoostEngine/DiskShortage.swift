import RoostLog

/// What a disk that is nearly full lacks, for people.
package struct DiskShortage: CustomStringConvertible {
  private let reserveBytes: Int
  private let spareBytes: Int

  package init(_ figures: StoreFigures) {
    (reserveBytes, spareBytes) = (figures.reserveBytes, figures.spareBytes)
  }

  package var description: String {
    let missing = max(0, reserveBytes - spareBytes)
    return "the disk is nearly full: the log keeps \(mebibytes(reserveBytes)) in reserve and has "
      + "\(mebibytes(spareBytes)); \(mebibytes(missing)) more must be free"
  }
}
