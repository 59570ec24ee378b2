import Files
import Testing

@Suite("Words for a shell")
struct ShellWordTests {
    @Test func words() {
        for plain in ["a/b-c_d.h5", "key=1,2", "%+@:", "\u{fc}n\u{ef}"] { #expect(shellWord(plain) == plain) }
        #expect(shellWord("") == "''" && shellWord("a b") == "'a b'" && shellWord("~/x") == "'~/x'")
        #expect(shellWord("it's") == "'it'\\''s'" && shellWord("[1, 2]") == "'[1, 2]'")
        // A quote with an accent is one character to Swift, a quote and something else to a shell.
        #expect(shellWord("'\u{301}").unicodeScalars.elementsEqual("''\\''\u{301}'".unicodeScalars))
    }
}
