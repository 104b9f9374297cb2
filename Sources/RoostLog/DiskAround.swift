/// A disk around another: it passes every call on, but for those that it has a say in.
package protocol DiskAround: Disk {
  var inner: any Disk { get }
}

extension DiskAround {
  package func list() throws(DiskError) -> [String] { try inner.list() }
  package func open(_ name: String, create: Bool) throws(DiskError) -> DiskFile {
    try inner.open(name, create: create)
  }
  package func size(_ file: DiskFile) throws(DiskError) -> Int { try inner.size(file) }
  package func read(
    _ file: DiskFile, into buffer: UnsafeMutableRawBufferPointer, at offset: Int
  ) throws(DiskError) -> Int {
    try inner.read(file, into: buffer, at: offset)
  }
  package func tryReadCached(_ file: DiskFile, into buffer: UnsafeMutableRawBufferPointer, at offset: Int) -> Int? {
    inner.tryReadCached(file, into: buffer, at: offset)
  }
  package func write(_ file: DiskFile, _ bytes: UnsafeRawBufferPointer, at offset: Int) throws(DiskError) {
    try inner.write(file, bytes, at: offset)
  }
  package func sync(_ file: DiskFile) throws(DiskError) { try inner.sync(file) }
  package func truncate(_ file: DiskFile, to bytes: Int) throws(DiskError) { try inner.truncate(file, to: bytes) }
  package func isForsaken(_ file: DiskFile) -> Bool { inner.isForsaken(file) }
  package func isInPlace() -> Bool { inner.isInPlace() }
  package func isNamed(_ file: DiskFile) -> Bool { inner.isNamed(file) }
  package func close(_ file: DiskFile) { inner.close(file) }
  package func rename(_ name: String, to newName: String) throws(DiskError) { try inner.rename(name, to: newName) }
  package func remove(_ name: String) throws(DiskError) { try inner.remove(name) }
  package func syncDirectory() throws(DiskError) { try inner.syncDirectory() }
  package func lock(_ name: String) throws(DiskError) -> LockOutcome { try inner.lock(name) }
  package func lockHolder(_ name: String) -> LockHolder? { inner.lockHolder(name) }
  package func freeBytes() throws(DiskError) -> Int { try inner.freeBytes() }
  package func dropCache(_ file: DiskFile) throws(DiskError) { try inner.dropCache(file) }
  package func readAhead(_ file: DiskFile) { inner.readAhead(file) }
}
