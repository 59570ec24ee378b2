import Files
import Foundation

extension SMD {
    /// Refuses arguments that are not UTF-8. Swift would put other characters in place of such bytes, and a command would
    /// then speak of a file that nobody has named, or write one.
    static func checkArguments() throws {
        for index in 1..<max(1, Int(CommandLine.argc)) {
            guard let argument = CommandLine.unsafeArgv[index] else { continue }
            _ = try argumentText(UnsafeRawBufferPointer(start: argument, count: strlen(argument)))
        }
    }
}

/// The text of an argument.
///
/// - Throws: `CommandFailure` where it is not UTF-8.
func argumentText(_ bytes: some Collection<UInt8>) throws -> String {
    if let text = String(validating: bytes, as: UTF8.self) { return text }
    throw CommandFailure(
        .usage,
        "the argument \(printable(bytes: bytes)) is not UTF-8 text: rename the file or folder (or name a folder "
            + "from inside it, as .); files in a folder may have any names")
}
