import HDF5
import TestSupport
import Testing

/// What is written comes back, through a file on disk and through memory.
@Suite struct RoundTripTests {
    @Test func everyTypeComesBackExactly() throws {
        try withTemporaryDirectory { folder in
            try writeEveryType(folder + "/types.h5")
            try expectEveryType(folder + "/types.h5")
        }
    }

    private func writeEveryType(_ path: String) throws {
        let file = try HDF5File.create(path)
        try file.root.write([0, 1, 255] as [UInt8], shape: [3], to: "uint8")
        try file.root.write([.min, 0, .max] as [Int32], shape: [1, 3], to: "a/b/int32")
        try file.root.write([.min, 0, .max] as [Int64], shape: [3, 1], to: "int64")
        try file.root.write([-0.0, .leastNonzeroMagnitude, .infinity] as [Float], shape: [3], to: "float32")
        try file.root.write([.pi, -.greatestFiniteMagnitude] as [Double], shape: [2], to: "float64")
        try file.root.write([42] as [Float], shape: [], to: "scalar")
        try file.root.write([] as [Float], shape: [0, 5], to: "empty")
        try file.root.writeStrings(["grüße", "", "two words"], to: "text")
        try file.close()
    }

    private func expectEveryType(_ path: String) throws {
        let root = try HDF5File.open(path).root
        #expect(try root.names() == ["a", "empty", "float32", "float64", "int64", "scalar", "text", "uint8"])
        #expect(try root.dataset("uint8").read(as: UInt8.self) == [0, 1, 255])
        let nested = try root.group("a").dataset("b/int32")
        #expect(nested.shape == [1, 3] && nested.elementType == .int32 && nested.path == "/a/b/int32")
        #expect(try nested.read(as: Int32.self) == [.min, 0, .max])
        #expect(try root.dataset("int64").read(as: Int64.self) == [.min, 0, .max])
        let floats = try root.dataset("float32").read(as: Float.self)
        #expect(floats.map(\.bitPattern) == [0x8000_0000, 1, 0x7F80_0000])
        #expect(try root.dataset("float64").read(as: Double.self) == [.pi, -.greatestFiniteMagnitude])
        #expect(try root.dataset("scalar").shape == [])
        #expect(try root.dataset("scalar").read(as: Double.self) == [42])
        #expect(try root.dataset("empty").read(as: Float.self) == [])
        #expect(try root.dataset("text").readStrings() == ["grüße", "", "two words"])
        #expect(try root.dataset("text").elementType == .string)
    }

    @Test func numbersConvert() throws {
        let file = try HDF5File.createInMemory()
        try file.root.write([1, 2, 300] as [Int32], shape: [3], to: "x")
        #expect(try file.root.dataset("x").read(as: Double.self) == [1, 2, 300])
        #expect(try file.root.dataset("x").read(as: UInt8.self) == [1, 2, 255])
    }

    @Test func boxesReadAndWrite() throws {
        let file = try HDF5File.createInMemory()
        let grid = try file.root.createDataset(
            "grid", type: .float32, shape: [4, 5], maximumShape: [nil, 5], chunk: [2, 5], deflate: 4)
        try grid.write((0..<20).map { Float($0) })
        #expect(try grid.read(as: Float.self, offset: [1, 2], count: [2, 3]) == [7, 8, 9, 12, 13, 14])
        try grid.write([-1, -2] as [Float], offset: [3, 3], count: [1, 2])
        try grid.extend(to: [6, 5])
        #expect(grid.shape == [6, 5] && grid.maximumShape == [nil, 5] && grid.chunk == [2, 5])
        #expect(try grid.read(as: Float.self, offset: [3, 2], count: [2, 3]) == [17, -1, -2, 0, 0, 0])
    }

    @Test func attributesComeBack() throws {
        let values: [String: AttributeValue] = [
            "texts": .strings(["ä", "", "b"]), "none": .strings([]),
            "text": .string("ä{\"json\": 1}"), "empty": .string(""),
            "long": .string(String(repeating: "x", count: 200_000)),
            "number": .integer(.min), "real": .double(0.1), "yes": .boolean(true), "no": .boolean(false),
            "list": .integers([1, -2, 3]), "reals": .doubles([0.5]), "nothing": .doubles([]),
        ]
        let file = try HDF5File.createInMemory()
        let data = try file.root.createDataset("x", type: .uint8, shape: [1])
        for (name, value) in values {
            try file.root.setAttribute(name, .integer(7))  // is replaced
            try file.root.setAttribute(name, value)
            try data.setAttribute(name, value)
        }
        try file.root.setUnsignedAttribute("seed", .max)
        let copy = try HDF5File.open(image: file.image(), name: "copy")
        for (name, value) in values {
            #expect(try copy.root.attribute(name) == value)
            #expect(try copy.root.dataset("x").attribute(name) == value)
        }
        #expect(try copy.root.attributeNames() == (values.keys + ["seed"]).sorted())
        #expect(try copy.root.attribute("absent") == nil)
        #expect(try copy.root.unsignedAttribute("seed") == .max)
        #expect(throws: HDF5Error.self) { try copy.root.attribute("seed") }
        #expect(throws: HDF5Error.self) { try copy.root.setAttribute("late", .integer(1)) }
    }

    @Test func readsWhatPythonWrote() throws {
        let root = try HDF5File.open(goldenFolder + "/sampler-ancestral-smd-T10.h5").root
        #expect(try root.attribute("kind") == .string("sampler"))
        #expect(try root.attribute("clip_denoised") == .boolean(true))
        #expect(try root.dataset("draws").shape == [19, 2, 3, 8, 8])
        #expect(root.contains("parameters/initial") && root.isGroup("parameters"))
        #expect(!root.contains("parameters/none/deeper") && !root.contains("draws/below"))
        let betas = try HDF5File.open(goldenFolder + "/schedules.h5").root.dataset("linear/T1000/betas")
        #expect(betas.elementType == .float64)
        let values = try betas.read(as: Double.self)
        #expect(abs(values[0] - 1e-4) < 1e-15 && abs(values[999] - 0.02) < 1e-15)
    }

    @Test func sameCallsGiveSameBytes() throws {
        func build() throws -> [UInt8] {
            let file = try HDF5File.createInMemory()
            for index in 0..<700 {
                try file.root.write(
                    [Float](repeating: Float(index), count: index % 37), shape: [index % 37],
                    to: "group/model.layer.\(index).weight")
            }
            try file.root.setAttribute("config", .string("{}"))
            return try file.image()
        }
        let first = try build()
        #expect(try first == build())
        let names = try HDF5File.open(image: first, name: "image").root.group("group").names()
        #expect(names.count == 700)
    }
}
