import Files
import Foundation

extension SMD {
    /// Refuses arguments that are not UTF-8. Swift would put other characters in place of such bytes, and a command would
    /// then speak of a file that nobody has named, or write one.
    static func checkArguments() throws {
        for index in 1..<max(1, Int(CommandLine.argc)) {
            guard let argument = CommandLine.unsafeArgv[index] else { continue }
            let bytes = UnsafeRawBufferPointer(start: argument, count: strlen(argument))
            guard String(validating: bytes, as: UTF8.self) == nil else { continue }
            throw CommandFailure(
                .usage,
                "the argument \(printable(bytes: bytes)) is not UTF-8 text: rename the file or folder (or name a folder "
                    + "from inside it, as .); files in a folder may have any names")
        }
    }
}
