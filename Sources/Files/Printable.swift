/// Text from outside (a file's name, an attribute, a label, a key) for a terminal: everything that could move a cursor,
/// break a line or hide text becomes a space.
public func printable(_ text: some StringProtocol) -> String {
    // Nearly all text, and tables can be long.
    if text.utf8.allSatisfy({ (0x20..<0x7F).contains($0) }) { return String(text) }
    return String(String.UnicodeScalarView(text.unicodeScalars.map { $0.isPrintable ? $0 : " " }))
}

/// Bytes that should be UTF-8, for a terminal: those that are not appear as "\xE9".
public func printable(bytes: some Collection<UInt8>) -> String { printable(escapedText(bytes)) }

/// Bytes that should be UTF-8, as text: what is UTF-8 stays as it is, every other byte becomes `mark` and two digits.
public func escapedText(_ bytes: some Collection<UInt8>, mark: String = "\\x") -> String {
    if let whole = String(validating: bytes, as: UTF8.self) { return whole }
    let bytes = Array(bytes)
    var text = ""
    var position = 0
    while position < bytes.count {
        // A character has at most four bytes: the shortest valid piece is the next one.
        let next = (1...4).lazy.filter { position + $0 <= bytes.count }
            .compactMap { count in String(validating: bytes[position..<position + count], as: UTF8.self) }.first
        text += next ?? mark + (bytes[position] < 16 ? "0" : "") + String(bytes[position], radix: 16, uppercase: true)
        position += next?.utf8.count ?? 1
    }
    return text
}

extension Unicode.Scalar {
    /// False for what could move a cursor, break a line or hide text.
    public var isPrintable: Bool {
        switch properties.generalCategory {
        case .control, .format, .lineSeparator, .paragraphSeparator, .surrogate: false
        default: true
        }
    }
}

/// "28,512,003".
public func grouped(_ number: Int) -> String {
    var digits = Substring(String(number.magnitude))
    var groups: [Substring] = []
    while digits.count > 3 {
        groups.insert(digits.suffix(3), at: 0)
        digits.removeLast(3)
    }
    return (number < 0 ? "-" : "") + ([digits] + groups).joined(separator: ",")
}

extension Sequence<UInt8> {
    /// Two lower-case hexadecimal digits a byte: a digest as it is written.
    public var hexadecimal: String { map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined() }
}
