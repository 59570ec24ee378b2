import Files
import Glibc
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

    @Test func pathsAreBytes() {
        let (composed, decomposed) = (BytePath("caf\u{e9}"), BytePath("cafe\u{301}"))
        #expect(composed != decomposed && decomposed < composed && Set([composed, decomposed]).count == 2)
        let latin = BytePath(bytes: [0x63, 0x61, 0x66, 0xE9])
        #expect("\(latin)" == "caf\\xE9" && latin.nameText == "caf/xE9" && composed.nameText == "caf\u{e9}")
        #expect(BytePath("a").appending(latin).bytes == [0x61, 0x2F, 0x63, 0x61, 0x66, 0xE9])
        #expect(BytePath("").appending(latin) == latin && BytePath("/").appending(latin).bytes.first == 0x2F)
        #expect(BytePath("a/\u{301}b/c").firstFolder == BytePath("a") && latin.firstFolder == nil)
        #expect(BytePath(".\u{301}x").isHiddenName && !latin.isHiddenName)
        #expect(latin.withCString { String(cString: $0) }.unicodeScalars.count == 4)
    }

    @Test func everyEntryOfAFolderIsListed() throws {
        let place = "/tmp/smd-files-test-\(getpid())"
        let names = [BytePath(".x"), BytePath("a"), BytePath(bytes: [0x61, 0xE9]), BytePath("\u{301}")]
        #expect(mkdir(place, 0o777) == 0)
        defer { rmdir(place) }
        for name in names { #expect(BytePath(place).appending(name).withCString { mkdir($0, 0o777) } == 0) }
        defer { for name in names { _ = BytePath(place).appending(name).withCString { rmdir($0) } } }
        #expect(try namesInFolder(BytePath(place)) == names)
        #expect(try FileFacts(BytePath(place)).kind == .folder && FileFacts(BytePath("/dev/null")).kind == .other)
        #expect { try namesInFolder(BytePath(place + "/none")) } throws: { "\($0)" == "No such file or directory" }
    }

    @Test func printableText() {
        #expect(printable("a\u{1b}[31mb\nc\u{202e}d\u{2028}") == "a [31mb c d ")
        #expect(printable(bytes: [0x63, 0x61, 0x66, 0xE9, 0x2E, 0xC3, 0xA9, 0x1B]) == "caf\\xE9.é ")
    }
}
