import Arrays
import Foundation
import TestSupport
import Testing

/// Files of arrays: those of NumPy, our own, and damaged ones.
@Suite struct NPZTests {
    /// numpy.savez_compressed (2.4.6) of a = arange(6, '<f8').reshape(2, 3)/4: mu = a[0], sigma = a as '<f4' in Fortran
    /// order, label = b'pca:2 ab', whole = arange(3), cube = arange(24, '<f8').reshape(2, 3, 4) in Fortran order, scalar = 2.5,
    /// empty = zeros((0, 4)).
    private static let compressed = """
        UEsDBC0AAAAIAAAAIQC1vXj6//////////8GABQAbXUubnB5AQAQAJgAAAAAAAAATQAAAAAAAACb7BfqGxDJyFDGUK2eklqcXKRupaBuk2ah\
        rqOgnpZfVFKUmBefX5SSChJ3S8wpTgWKF2ckFqQC+RrGOpo6CrUKFAAuBhRwwR5CP7AHAFBLAwQtAAAACAAAACEAWh9iOP//////////CQAU\
        AHNpZ21hLm5weQEAEACYAAAAAAAAAFUAAAAAAAAAm+wX6hsQychQxlCtnpJanFykbqWgbpNmoq6joJ6WX1RSlJgXn1+UkgoSDykqTQUKF2ck\
        FqQCuRpGOgrGmjoKtQrkAy4GMHCwZ2BosANiIM0AxAvsAVBLAwQtAAAACAAAACEAVxvJDf//////////CQAUAGxhYmVsLm5weQEAEACIAAAA\
        AAAAAEoAAAAAAAAAm+wX6hsQychQxlCtnpJanFykbqWgXhNsoa6joJ6WX1RSlJgXn1+UkgoSd0vMKU4FihdnJBakAvkamjoKtQoUAa6C5EQr\
        I4XEJABQSwMELQAAAAgAAAAhAPdAEur//////////wkAFAB3aG9sZS5ucHkBABAAmAAAAAAAAABMAAAAAAAAAJvsF+obEMnIUMZQrZ6SWpxc\
        pG6loG6TaaGuo6Cell9UUpSYF59flJIKEndLzClOBYoXZyQWpAL5GsY6mjoKtQoUAC4GKGCE0kxQGgBQSwMELQAAAAgAAAAhALgeWOv/////\
        /////wgAFABjdWJlLm5weQEAEABAAQAAAAAAAIkAAAAAAAAAm+wX6hsQychQxlCtnpJanFykbqWgbpNmoa6joJ6WX1RSlJgXn1+UkgoSDykq\
        TQUKF2ckFqQCuRpGOgrGOgommjoKtQpkAi4GFKDhAKEFoLQBlFaA0iZQ+oM9hNaC8kWgtCGUVoLSplCaAUrrQGkJKG0EpVWgtBmU5oDSelBa\
        BkobQ2k1KG3uAABQSwMELQAAAAgAAAAhADW0OpP//////////woAFABzY2FsYXIubnB5AQAQAIgAAAAAAAAARwAAAAAAAACb7BfqGxDJyFDG\
        UK2eklqcXKRupaBuk2ahrqOgnpZfVFKUmBefX5SSChJ3S8wpTgWKF2ckFqQC+RqaOgq1ChQBLgYwYHEAAFBLAwQtAAAACAAAACEAMTcJ4///\
        ////////CQAUAGVtcHR5Lm5weQEAEACAAAAAAAAAAEYAAAAAAAAAm+wX6hsQychQxlCtnpJanFykbqWgbpNmoa6joJ6WX1RSlJgXn1+UkgoS\
        d0vMKU4FihdnJBakAvkaBjoKJpo6CrUKZAMuAFBLAQItAy0AAAAIAAAAIQC1vXj6TQAAAJgAAAAGAAAAAAAAAAAAAACAAQAAAABtdS5ucHlQ\
        SwECLQMtAAAACAAAACEAWh9iOFUAAACYAAAACQAAAAAAAAAAAAAAgAGFAAAAc2lnbWEubnB5UEsBAi0DLQAAAAgAAAAhAFcbyQ1KAAAAiAAA\
        AAkAAAAAAAAAAAAAAIABFQEAAGxhYmVsLm5weVBLAQItAy0AAAAIAAAAIQD3QBLqTAAAAJgAAAAJAAAAAAAAAAAAAACAAZoBAAB3aG9sZS5u\
        cHlQSwECLQMtAAAACAAAACEAuB5Y64kAAABAAQAACAAAAAAAAAAAAAAAgAEhAgAAY3ViZS5ucHlQSwECLQMtAAAACAAAACEANbQ6k0cAAACI\
        AAAACgAAAAAAAAAAAAAAgAHkAgAAc2NhbGFyLm5weVBLAQItAy0AAAAIAAAAIQAxNwnjRgAAAIAAAAAJAAAAAAAAAAAAAACAAWcDAABlbXB0\
        eS5ucHlQSwUGAAAAAAcABwB+AQAA6AMAAAAA
        """

    /// numpy.lib.format.write_array of a with version (2, 0).
    private static let second = """
        k05VTVBZAgB0AAAAeydkZXNjcic6ICc8ZjgnLCAnZm9ydHJhbl9vcmRlcic6IEZhbHNlLCAnc2hhcGUnOiAoMiwgMyksIH0gICAgICAgICAg\
        ICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgIAoAAAAAAAAAAAAAAAAAANA/AAAAAAAA4D8AAAAAAADoPwAA\
        AAAAAPA/AAAAAAAA9D8=
        """

    private static let numpyFile = [UInt8](Data(base64Encoded: compressed) ?? Data())

    private func withFile<T>(_ bytes: [UInt8], _ body: (NPZ) throws -> T) throws -> T {
        try withTemporaryDirectory { folder in
            try Data(bytes).write(to: URL(fileURLWithPath: folder + "/a.npz"))
            return try body(try NPZ(path: folder + "/a.npz"))
        }
    }

    /// What is thrown, which must be one line.
    private func problem(_ body: () throws -> Void) -> String {
        do {
            try body()
            return "nothing"
        } catch {
            #expect(error is ArrayFileError && !"\(error)".contains("\n"))
            return "\(error)"
        }
    }

    @Test func readsWhatNumPyWrote() throws {
        try withFile(Self.numpyFile) { file in
            #expect(try file.numbers("mu", atMost: 3) == NumericArray([0, 0.25, 0.5], shape: [3]))
            let sigma = try file.numbers("sigma", atMost: 100)
            #expect(sigma == NumericArray([0, 0.25, 0.5, 0.75, 1, 1.25], shape: [2, 3]))
            #expect(try file.numbers("cube", atMost: 24) == NumericArray((0..<24).map(Double.init), shape: [2, 3, 4]))
            #expect(try file.numbers("scalar", atMost: 1) == NumericArray([2.5], shape: []))
            #expect(try file.numbers("empty", atMost: 0) == NumericArray([], shape: [0, 4]))
            #expect(try file.text("label") == "pca:2 ab")
            #expect(try file.numbers("absent", atMost: 1) == nil && file.text("absent") == nil)
            #expect(problem { _ = try file.numbers("whole", atMost: 3) }.contains("type <i8 are not read; <f8 or <f4"))
            #expect(problem { _ = try file.numbers("label", atMost: 3) }.contains("type |S8 are not read"))
            #expect(problem { _ = try file.text("mu") }.contains("not one text"))
        }
        let bytes = [UInt8](Data(base64Encoded: Self.second) ?? Data())
        #expect(try NPY.numbers(bytes, name: "a").elements == [0, 0.25, 0.5, 0.75, 1, 1.25])
    }

    @Test func whatIsWrittenComesBackAndIsAlwaysTheSame() throws {
        let array = NumericArray([1, -2, .pi, 1e300, 0, 5], shape: [3, 2])
        let line = NumericArray([7], shape: [1])
        let members: [(name: String, content: NPZ.Content)] = [
            ("sigma", .numbers(array)), ("features", .text("pca:2")), ("mu", .numbers(line)),
            ("one", .numbers(NumericArray([4], shape: []))),
        ]
        let bytes = try NPZ.encode(members)
        #expect(try NPZ.encode(members) == bytes)
        try withFile(bytes) { file in
            let sigma = try file.numbers("sigma", atMost: 6)
            #expect(sigma == array)
            #expect(try file.numbers("mu", atMost: 1) == line)
            #expect(try file.numbers("one", atMost: 1)?.shape == [])
            #expect(try file.text("features") == "pca:2")
        }
        // As numpy.lib.format has it: the header ends in a line break, and elements begin at a multiple of 64.
        let npy = NPY.encode(array)
        let header = String(decoding: npy[10..<128], as: UTF8.self)
        #expect(npy.prefix(10) == [0x93, 0x4E, 0x55, 0x4D, 0x50, 0x59, 1, 0, 118, 0] && npy.count == 128 + 48)
        #expect(
            header.hasPrefix("{'descr': '<f8', 'fortran_order': False, 'shape': (3, 2), }  ") && header.hasSuffix(" \n")
        )
        #expect(String(decoding: NPY.encode(line), as: UTF8.self).contains("'shape': (1,), }"))
        #expect(
            String(decoding: NPY.encode("a"), as: UTF8.self).contains("'|S1', 'fortran_order': False, 'shape': (), }"))
    }

    /// Sizes are held against what is asked for, whatever the file says: 300 MB of zeros stay packed.
    @Test func moreThanAskedForIsNotUnpacked() throws {
        // What gzip writes lies between a header of 10 bytes, and the check sum and length.
        let zeros = 300_000_000
        let packed = try withTemporaryDirectory { folder in
            let make = "head -c \(zeros) /dev/zero | gzip -9n > \"$0/zeros.gz\""
            #expect(try run(["sh", "-c", make, folder], timeout: 60).status == 0)
            return try [UInt8](Data(contentsOf: URL(fileURLWithPath: folder + "/zeros.gz")))
        }
        let zip = deflated("mu.npy", Array(packed[10..<packed.count - 8]), end: Array(packed.suffix(8)))
        try withFile(zip) { file in
            let before = peakBytes()
            #expect(problem { _ = try file.numbers("mu", atMost: 64) }.contains("mu has more than"))
            #expect(peakBytes() - before < 100 << 20)
        }
    }

    /// A zip file of one member.
    ///
    /// - Parameter end: its check sum and the length of its content, four bytes each.
    private func deflated(_ name: String, _ content: [UInt8], end: [UInt8]) -> [UInt8] {
        func bytes(_ value: Int, _ count: Int) -> [UInt8] { (0..<count).map { UInt8(value >> (8 * $0) & 255) } }
        // Version, flags, method 8, time and date; sizes; lengths of the name and of nothing more.
        let facts =
            bytes(20, 2) + bytes(0, 2) + bytes(8, 2) + bytes(0, 4) + end.prefix(4) + bytes(content.count, 4)
            + end.suffix(4) + bytes(name.utf8.count, 2) + bytes(0, 2)
        let local = Array("PK\u{3}\u{4}".utf8) + facts + Array(name.utf8) + content
        let entry = Array("PK\u{1}\u{2}".utf8) + bytes(20, 2) + facts + bytes(0, 14) + Array(name.utf8)
        let directory = bytes(0, 4) + bytes(1, 2) + bytes(1, 2) + bytes(entry.count, 4) + bytes(local.count, 4)
        return local + entry + Array("PK\u{5}\u{6}".utf8) + directory + bytes(0, 2)
    }

    private func peakBytes() -> Int {
        let lines = (try? String(contentsOfFile: "/proc/self/status", encoding: .utf8))?.split(separator: "\n") ?? []
        let peak = lines.first { $0.hasPrefix("VmHWM:") }?.split(separator: " ").dropFirst().first
        return (peak.flatMap { Int($0) } ?? 0) << 10
    }

    @Test func damagedFilesAreRefused() throws {
        let bytes = Self.numpyFile
        for count in stride(from: 0, to: bytes.count, by: 13) {
            try withFile(Array(bytes.prefix(count))) { file in
                #expect(problem { _ = try file.numbers("cube", atMost: 24) } != "nothing", "\(count) bytes")
            }
        }
        try withFile(try NPZ.encode([("mu", .numbers(NumericArray([1, 2], shape: [2])))])) { file in
            var damaged = try [UInt8](Data(contentsOf: URL(fileURLWithPath: file.path)))
            let place = try #require(damaged.indices.first { damaged[$0...].starts(with: [0, 0, 0xF0, 0x3F]) })
            damaged[place + 3] ^= 1
            try Data(damaged).write(to: URL(fileURLWithPath: file.path))
            #expect(problem { _ = try file.numbers("mu", atMost: 2) }.contains("cannot be read as a file of arrays"))
        }
        #expect(problem { _ = try NPZ(path: "/absent.npz") }.contains("No such file"))
        #expect(problem { _ = try NPZ(path: "/dev/null") }.contains("is not a file"))
    }

    @Test(arguments: [
        ("{'descr': '>f8', 'fortran_order': False, 'shape': (1,), }", "type >f8 are not read"),
        ("{'descr': [('a', '<f8')], 'fortran_order': False, 'shape': (1,), }", "one plain type"),
        ("{'descr': '<f8', 'fortran_order': False, 'shape': (2,), }", "8 bytes of elements do not fill"),
        ("{'descr': '<f8', 'fortran_order': False, 'shape': (-1,), }", "one plain type"),
        ("{'descr': '<f8', 'fortran_order': False, 'shape': (4294967296, 4294967296, 4294967296), }", "no array has"),
        ("{'descr': '<f8', 'fortran_order': False, 'shape': (2305843009213693952,), }", "do not fill"),
        ("{'descr': '<f8', 'fortran_order': False, 'shape': (99999999999999999999999,), }", "no array has"),
        ("{'descr': '<f8', 'shape': (1,), }", "one plain type"), ("", "one plain type"),
    ])
    func strangeHeadersAreRefused(header: String, reason: String) {
        let start: [UInt8] = [0x93] + Array("NUMPY".utf8)
        let length = header.utf8.count
        let bytes =
            start + [1, 0, UInt8(length & 255), UInt8(length >> 8)] + Array(header.utf8)
            + [UInt8](repeating: 0, count: 8)
        #expect(problem { _ = try NPY.numbers(bytes, name: "a") }.contains(reason), "\(header)")
    }

    @Test func strangeBeginningsAreRefused() {
        let start: [UInt8] = [0x93] + Array("NUMPY".utf8)
        #expect(problem { _ = try NPY.numbers([], name: "a") }.contains("does not begin"))
        #expect(problem { _ = try NPY.numbers(start + [3, 0, 1, 0, 0, 0], name: "a") }.contains("version 3.0"))
        #expect(problem { _ = try NPY.numbers(start + [2, 0, 255, 255, 255, 255], name: "a") }.contains("too long"))
        #expect(problem { _ = try NPY.numbers(start + [1, 0, 100, 0], name: "a") }.contains("cut off"))
    }
}
