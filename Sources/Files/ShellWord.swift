/// `word` as a shell takes it for one word: in quotes where it needs them.
public func shellWord(_ word: String) -> String {
    let plain =
        !word.isEmpty
        && word.utf8.allSatisfy { byte in
            switch byte {
            case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
                UInt8(ascii: "0")...UInt8(ascii: "9"):
                true
            default: "-_./=,:+@%^".utf8.contains(byte)
            }
        }
    if plain { return word }
    // By scalars: to Swift a quote and the accent that follows it are one character.
    return "'" + word.unicodeScalars.map { $0 == "'" ? "'\\''" : String($0) }.joined() + "'"
}
