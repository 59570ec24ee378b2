import Arrays
import Foundation
import TestSupport
import Testing

/// Files of safetensors: those of others, and damaged ones.
@Suite struct SafeTensorsTests {
    /// safetensors.torch.save_file (0.8.0, torch 2.15.0) of b = [[1.5, −2, 3.25], [0.1, 1e-3, 65504]], a.half = [0.5, −1/3,
    /// 6e-8] in float16, brain = [[1], [−3.140625]] in bfloat16, count = 7, none = zeros(0, 4), metadata={'format': 'pt'}.
    private static let written = """
        SAEAAAAAAAB7Il9fbWV0YWRhdGFfXyI6eyJmb3JtYXQiOiJwdCJ9LCJjb3VudCI6eyJkdHlwZSI6Ikk2NCIsInNoYXBlIjpbXSwiZGF0YV9vZmZz\
        ZXRzIjpbMCw4XX0sImIiOnsiZHR5cGUiOiJGMzIiLCJzaGFwZSI6WzIsM10sImRhdGFfb2Zmc2V0cyI6WzgsMzJdfSwibm9uZSI6eyJkdHlwZSI6\
        IkYzMiIsInNoYXBlIjpbMCw0XSwiZGF0YV9vZmZzZXRzIjpbMzIsMzJdfSwiYnJhaW4iOnsiZHR5cGUiOiJCRjE2Iiwic2hhcGUiOlsyLDFdLCJk\
        YXRhX29mZnNldHMiOlszMiwzNl19LCJhLmhhbGYiOnsiZHR5cGUiOiJGMTYiLCJzaGFwZSI6WzNdLCJkYXRhX29mZnNldHMiOlszNiw0Ml19fSAg\
        BwAAAAAAAAAAAMA/AAAAwAAAUEDNzMw9bxKDOgDgf0eAP0nAADhVtQEA
        """

    private func withFile<T>(_ bytes: [UInt8], _ body: (String) throws -> T) throws -> T {
        try withTemporaryDirectory { folder in
            try Data(bytes).write(to: URL(fileURLWithPath: folder + "/a.safetensors"))
            return try body(folder + "/a.safetensors")
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

    private func file(_ header: String, _ elements: Int) -> [UInt8] {
        let length = withUnsafeBytes(of: UInt64(header.utf8.count).littleEndian) { Array($0) }
        return length + Array(header.utf8) + [UInt8](repeating: 0, count: elements)
    }

    @Test func readsWhatOthersWrote() throws {
        try withFile([UInt8](Data(base64Encoded: Self.written) ?? Data())) { path in
            let file = try SafeTensors(path: path)
            #expect(Set(file.entries.keys) == ["count", "b", "none", "brain", "a.half"])
            #expect(try file.floats("b", shape: [2, 3]) == [1.5, -2, 3.25, 0.1, 1e-3, 65504])
            // As numpy converts float16: 0.5, −0.333252, 5.9604645e-08.
            #expect(try file.floats("a.half", shape: [3]) == [0.5, -0.33325195, 5.9604645e-08])
            #expect(try file.floats("brain", shape: [2, 1]) == [1, -3.140625])
            #expect(try file.floats("none", shape: [0, 4]) == [])
            #expect(problem { _ = try file.floats("c", shape: [1]) }.hasSuffix("holds no c"))
            #expect(
                problem { _ = try file.floats("b", shape: [3, 2]) }.hasSuffix("b has the shape [2, 3], not [3, 2]"))
            #expect(problem { _ = try file.floats("count", shape: []) }.contains("count is of type I64; F32, F16"))
        }
    }

    /// safetensors.numpy.save (0.8.0, numpy 2.4.6) of the arrays below, metadata={'note': 'say "grüße"\n\\'}.
    private static let sameByTheLibrary = """
        IAEAAAAAAAB7Il9fbWV0YWRhdGFfXyI6eyJub3RlIjoic2F5IFwiZ3LDvMOfZVwiXG5cXCJ9LCJhLndlaWdodCI6eyJkdHlwZSI6IkYzMiIsInNo
        YXBlIjpbMl0sImRhdGFfb2Zmc2V0cyI6WzAsOF19LCJiIjp7ImR0eXBlIjoiRjMyIiwic2hhcGUiOlsyLDNdLCJkYXRhX29mZnNldHMiOls4LDMy
        XX0sIm5vbmUiOnsiZHR5cGUiOiJGMzIiLCJzaGFwZSI6WzAsNF0sImRhdGFfb2Zmc2V0cyI6WzMyLDMyXX0sInNjYWxhciI6eyJkdHlwZSI6IkYz
        MiIsInNoYXBlIjpbXSwiZGF0YV9vZmZzZXRzIjpbMzIsMzZdfX0gICAgICAAAOBAAAAAgAAAwD8AAADAAABQQM3MzD1vEoM6AOB/RwAAIEA=
        """

    @Test func writesTheBytesOfTheLibrary() throws {
        let tensors = [
            SafeTensors.Tensor(name: "scalar", shape: [], values: [2.5]),
            SafeTensors.Tensor(name: "b", shape: [2, 3], values: [1.5, -2, 3.25, 0.1, 1e-3, 65504]),
            SafeTensors.Tensor(name: "none", shape: [0, 4], values: []),
            SafeTensors.Tensor(name: "a.weight", shape: [2], values: [7, -0.0]),
        ]
        let bytes = try SafeTensors.encode(tensors, metadata: ["note": "say \"grüße\"\n\\"])
        #expect(Data(bytes) == Data(base64Encoded: Self.sameByTheLibrary, options: .ignoreUnknownCharacters))
        #expect(try bytes == SafeTensors.encode(tensors.reversed(), metadata: ["note": "say \"grüße\"\n\\"]))
    }

    @Test func whatIsWrittenIsRead() throws {
        let values: [Float] = [.infinity, -.infinity, Float(bitPattern: 0x7FC0_1234), Float(bitPattern: 1), -0.0]
        let metadata = ["": "", "b": "\u{1}\t\r\u{7F}😀", "a": "x"]
        let name = "a \"name\"\u{0} of/any\\kind"
        let bytes = try SafeTensors.encode(
            [SafeTensors.Tensor(name: name, shape: [5, 1], values: values)], metadata: metadata)
        let header = Int(bytes[0]) | Int(bytes[1]) << 8
        #expect(header % 8 == 0 && bytes.count == 8 + header + 20)
        try withFile(bytes) { path in
            let file = try SafeTensors(path: path)
            #expect(file.metadata == metadata)
            #expect(try file.floats(name, shape: [5, 1]).map(\.bitPattern) == values.map(\.bitPattern))
        }
        let none = try withFile(SafeTensors.encode([], metadata: [:])) { try SafeTensors(path: $0).entries }
        #expect(none.isEmpty)
    }

    @Test func damagedFilesAreRefusedInOneLine() throws {
        let good = "{\"a\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,8]}}"
        let read = try withFile(file(good, 8)) { try SafeTensors(path: $0).floats("a", shape: [2]) }
        #expect(read == [0, 0])
        func entry(_ name: String, _ type: String, _ shape: String, _ begin: Int, _ end: Int) -> String {
            "\"\(name)\":{\"dtype\":\"\(type)\",\"shape\":\(shape),\"data_offsets\":[\(begin),\(end)]}"
        }
        let a = entry("a", "F32", "[2]", 0, 8)
        let cases: [(bytes: [UInt8], words: String)] = [
            ([], "or cut off: a header of 0 bytes in 0"), ([1, 2, 3], "or cut off"),
            ([UInt8](repeating: 0xFF, count: 64), "a header of 18446744073709551615 bytes in 64"),
            (Array(file(good, 8).prefix(40)), "or cut off"), (file("", 8), "is not the JSON of a file of arrays"),
            (file("[]", 0), "is not the JSON"), (file("{\"a\":{}}", 0), "is not the JSON"),
            (file(good, 7), "cut off: 7"),
            (file(good, 9), "9 bytes of elements where 8"), (file("{}", 4), "4 bytes of elements where 0"),
            (file("{\(entry("a", "F32", "[3]", 0, 8))}", 8), "a: the bytes [0, 8] do not fill the shape [3] of F32"),
            (file("{\(entry("a", "F32", "[-2]", 0, 8))}", 8), "do not fill the shape [-2]"),
            (file("{\(entry("a", "F32", "[4611686018427387904,4]", 0, 0))}", 0), "do not fill the shape"),
            (file("{\(entry("a", "F32", "[2]", 8, 0))}", 8), "the bytes [8, 0] do not fill"),
            (file("{\(entry("a", "F3", "[2]", 0, 8))}", 8), "a is of the unknown type F3"),
            (file("{\(a),\(entry("b", "F32", "[2]", 4, 12))}", 12), "b begins at byte 4, the one before it ends at 8"),
            (
                file("{\(a),\(entry("b", "F32", "[1]", 12, 16))}", 16),
                "b begins at byte 12, the one before it ends at 8"
            ),
            (file("{\(a),\(entry("a", "F32", "[2]", 8, 16))}", 16), "is damaged"),
            (file("{\"a\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0]}}", 8), "do not fill"),
            (file("{\"a\":{\"dtype\":\"F32\",\"shape\":[1e99],\"data_offsets\":[0,8]}}", 8), "is not the JSON"),
            (file(String(repeating: "[", count: 5000), 0), "is not the JSON"),
            (file("{\"__metadata__\":{\"a\":1}}", 0), "is not the JSON"),
        ]
        for (bytes, words) in cases {
            let found = try withFile(bytes) { path in problem { _ = try SafeTensors(path: path) } }
            #expect(found.contains(words), "\(found); wanted \(words)")
        }
        #expect(problem { _ = try SafeTensors(path: "/") }.contains("is not a file"))
        #expect(problem { _ = try SafeTensors(path: "/absent.safetensors") }.contains("cannot be read: No such file"))
    }
}
