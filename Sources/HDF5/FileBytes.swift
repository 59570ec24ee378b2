import Glibc

/// The bytes of a whole file, in memory of their own.
public final class FileBytes: @unchecked Sendable {
    // Unchecked: the bytes are filled before anybody else can see them, and never change.
    let raw: UnsafeMutableRawBufferPointer

    /// Room for `count` bytes, which `fill` writes; it returns how many there are in the end.
    ///
    /// - Throws: `HDF5Error` where memory is short, and what `fill` throws.
    init(count: Int, name: String, fill: (UnsafeMutableRawBufferPointer) throws -> Int) throws {
        guard let memory = malloc(max(count, 1)) else {
            throw HDF5Error("cannot read \(name): no memory for \(count) bytes")
        }
        do {
            let filled = try fill(UnsafeMutableRawBufferPointer(start: memory, count: count))
            raw = UnsafeMutableRawBufferPointer(start: memory, count: filled)
        } catch {
            free(memory)
            throw error
        }
    }

    /// A copy of `bytes`.
    ///
    /// - Throws: `HDF5Error` where memory is short.
    public convenience init(_ bytes: [UInt8]) throws {
        try self.init(count: bytes.count, name: "a file in memory") { room in
            bytes.withUnsafeBytes { room.copyMemory(from: $0) }
            return bytes.count
        }
    }

    deinit { free(raw.baseAddress) }

    /// How many there are.
    public var count: Int { raw.count }

    /// Calls `body` with the bytes.
    public func withUnsafeBytes<R>(_ body: (UnsafeRawBufferPointer) throws -> R) rethrows -> R {
        try body(UnsafeRawBufferPointer(raw))
    }
}

/// A finished HDF5 file in memory, where libhdf5 keeps it.
///
/// One thread at a time may use it, any thread; `close` gives the memory back.
public final class FileImage: @unchecked Sendable {
    // Unchecked: the bytes belong to the file, which nobody uses any more but to close it.
    private let file: HDF5File
    private let bytes: UnsafeMutableRawBufferPointer
    private var isOpen = true

    init(file: HDF5File, bytes: UnsafeMutableRawBufferPointer) {
        self.file = file
        self.bytes = bytes
    }

    /// Calls `body` with the bytes of the file, of which it may change those of the user block.
    public func withUnsafeMutableBytes<R>(_ body: (UnsafeMutableRawBufferPointer) throws -> R) rethrows -> R {
        precondition(isOpen, "the file in memory is closed")
        return try body(bytes)
    }

    /// Gives the memory back. A second call does nothing.
    ///
    /// - Throws: `HDF5Error` where libhdf5 refuses.
    public func close() throws {
        isOpen = false
        try file.close()
    }
}
