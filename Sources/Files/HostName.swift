import Glibc

/// This host's name as the kernel knows it, without asking any name service; bytes that are not UTF-8 appear as "\xE9".
public func localHostName() -> String {
    var name = [UInt8](repeating: 0, count: 256)
    guard gethostname(&name, name.count - 1) == 0 else { return "unknown" }
    return printable(bytes: name.prefix { $0 != 0 })
}
