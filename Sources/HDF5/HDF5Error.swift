import CHDF5
import Files
import Foundation

/// What went wrong with an HDF5 file, in one line: the action, the file and object, and the cause.
public struct HDF5Error: HasExitStatus, CustomStringConvertible, Sendable {
    /// A file or value that was read cannot be used.
    public var exitStatus: ExitStatus { .badInput }
    /// The line to show.
    public let description: String

    /// Takes the line as it is; line breaks become spaces.
    public init(_ description: String) {
        self.description = description.split(whereSeparator: \.isNewline).joined(separator: " ")
    }
}

/// libhdf5's reason for the last failure on this thread. Must be called before anything else of the shim.
func lastReason() -> String {
    withUnsafeTemporaryAllocation(of: CChar.self, capacity: 1024) { buffer in
        guard let start = buffer.baseAddress else { return "" }
        chdf5_error_text(start, buffer.count)
        return shortened(String(cString: start))
    }
}

/// Of "file write failed: time = …, errno = 28, error message = 'No space left on device', …" keeps what a user needs.
private func shortened(_ reason: String) -> String {
    let mark = "error message = '"
    guard let message = reason.range(of: mark), let end = reason[message.upperBound...].firstIndex(of: "'"),
        let what = reason.firstIndex(where: { $0 == ":" || $0 == "," })
    else { return reason }
    return "\(reason[..<what]): \(reason[message.upperBound..<end])"
}

/// The one funnel for the shim's return codes.
func check(_ status: Int32, _ action: @autoclosure () -> String) throws {
    if status != 0 {
        let reason = lastReason()
        throw HDF5Error("\(action()): \(reason)")
    }
}

/// Splits "name NUL name NUL …" and releases the block. Bytes that are not UTF-8 become "\xE9".
func takeStrings(_ packed: UnsafeMutablePointer<CChar>?, bytes: Int) -> [String] {
    takePieces(packed, bytes: bytes).map { escapedText($0) }
}

/// The same as bytes.
func takePieces(_ packed: UnsafeMutablePointer<CChar>?, bytes: Int) -> [[UInt8]] {
    defer { chdf5_free(packed) }
    guard let packed, bytes > 0 else { return [] }
    return pieces(UnsafeRawBufferPointer(start: packed, count: bytes))
}

/// The texts of "text NUL text NUL …".
func pieces(_ packed: UnsafeRawBufferPointer) -> [[UInt8]] {
    packed.isEmpty ? [] : packed.dropLast().split(separator: 0, omittingEmptySubsequences: false).map(Array.init)
}

/// "text NUL text NUL …", as the shim takes it; `what` is for messages.
func packed(_ texts: [String], _ what: String) throws -> [CChar] {
    for text in texts { try checkText(text, what) }
    return texts.flatMap { $0.utf8CString }
}

/// HDF5 cuts names and text at a NUL byte; refuse instead of losing the rest.
func checkText(_ text: String, _ what: String) throws {
    if text.utf8.contains(0) { throw HDF5Error("cannot store \(what): it contains a NUL character") }
}
