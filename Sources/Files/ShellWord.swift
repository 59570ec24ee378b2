/// `word` as a shell takes it for one word: in quotes where it needs them.
public func shellWord(_ word: String) -> String {
    let isPlain = word.unicodeScalars.allSatisfy {
        $0.properties.isAlphabetic || ("0"..."9").contains($0) || "-_./=+,:@%".unicodeScalars.contains($0)
    }
    if isPlain && !word.isEmpty { return word }
    // By scalars: to Swift a quote and the accent that follows it are one character.
    return "'" + word.unicodeScalars.map { $0 == "'" ? "'\\''" : String($0) }.joined() + "'"
}
