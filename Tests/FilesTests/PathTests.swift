import Files
import Testing

@Suite("Paths and printable text")
struct PathTests {
    /// A name may begin with a combining accent: to Swift "/\u{301}" is one character, to the system a slash and a name.
    @Test func aSlashIsAByte() {
        #expect(Path.name(of: "a/\u{301}b").hasSameBytes(as: "\u{301}b"))
        #expect(Path.folder(of: "a/\u{301}b") == "a")
        #expect(Path.folder(of: "b") == "." && Path.folder(of: "/b") == "/" && Path.folder(of: "a/b/c") == "a/b")
        #expect(Path.name(of: "/") == "" && Path.name(of: "x") == "x")
        #expect(Path.join("a", "b") == "a/b" && Path.join("/", "b") == "/b" && Path.join("", "b") == "b")
        #expect(Path.isAbsolute("/\u{301}") && !Path.isAbsolute("a"))
    }

    @Test func normalFormsDiffer() {
        let (composed, decomposed) = ("caf\u{e9}", "cafe\u{301}")
        #expect(composed == decomposed && !composed.hasSameBytes(as: decomposed))
        #expect("caf\u{e9}".hasBytes(prefix: "caf") && !decomposed.hasBytes(prefix: composed))
        #expect(decomposed.hasBytes(prefix: "cafe") && decomposed.hasBytes(suffix: "\u{301}"))
    }

    @Test func printableText() {
        #expect(printable("a\u{1b}[31mb\nc\u{202e}d\u{2028}") == "a [31mb c d ")
        #expect(printable(bytes: [0x63, 0x61, 0x66, 0xE9, 0x2E, 0xC3, 0xA9, 0x1B]) == "caf\\xE9.é ")
    }
}
