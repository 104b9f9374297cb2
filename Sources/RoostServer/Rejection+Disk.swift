import RoostAPI
import RoostEngine

extension Rejection {
  /// The same, and where it is for want of room on the disk, how much is wanted.
  func explained(by engine: Engine?) async -> Rejection {
    guard code == .diskLow, let engine else { return self }
    var explained = self
    let shortage = DiskShortage(await engine.figures().store)
    explained.message = "\(shortage). Free space, enlarge the volume, or set a smaller SEGMENT_BYTES"
    return explained
  }
}
