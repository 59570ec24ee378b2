import Arrays
import Foundation
import HDF5
import DataSets
import Storage
import StorageSupport

extension FuzzTarget {
    /// Small whole files of the format, made by this package, to begin from.
    ///
    /// - Throws: where they cannot be made.
    public func seeds() throws -> [[UInt8]] {
        switch self {
        case .checkpoint: [try sealedCheckpoint()]
        case .sealed: [Array(try sealedCheckpoint().dropFirst(512))]
        case .dataset:
            try [dataSet(chunk: nil, deflate: nil), dataSet(chunk: 2, deflate: nil), dataSet(chunk: 2, deflate: 6)]
        case .idx: try [Self.plainIDX, made("plain.gz") { try gzip(Self.plainIDX, at: $0) }]
        case .image: try images()
        case .points: [Array("# points\n1 2\n-3.5e-2,4\r\n\t5 , 6\n".utf8)]
        case .manifest: [Array(Self.shardList.utf8)]
        case .arrays:
            [
                try NPZ.encode([
                    ("mu", .numbers(NumericArray([1, 2], shape: [2]))),
                    ("sigma", .numbers(NumericArray([4, 1, 1, 4], shape: [2, 2]))), ("features", .text("pca:2 ab")),
                ])
            ]
        case .safetensors: [Self.safeTensors]
        case .configuration: Self.configurations.map { Array($0.utf8) }
        }
    }

    private static let plainIDX: [UInt8] = [0, 0, 8, 3, 0, 0, 0, 2, 0, 0, 0, 3, 0, 0, 0, 2] + (1...12)

    /// A file of three arrays: 2 numbers of 4 bytes, none, and 2 of 2 bytes.
    private static let safeTensors: [UInt8] = {
        let header = """
            {"__metadata__":{"format":"pt"},"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]},
            "b":{"dtype":"F16","shape":[0,3],"data_offsets":[8,8]},"c":{"dtype":"BF16","shape":[2,1],"data_offsets":[8,12]}}
            """
        return withUnsafeBytes(of: UInt64(header.utf8.count).littleEndian) { Array($0) } + Array(header.utf8) + (1...12)
    }()

    private static let shardList = """
        {"command": "c", "count": 3, "format": "smd manifest", "format_version": 1, "kind": "images",
        "sample_shape": [4, 4, 1], "source": "s", "source_sha256": "00", "tool": "t",
        "shards": [{"bytes": 10, "count": 3, "file": "a-00000.h5", "sha256": "00"}]}
        """

    private static let configurations = [
        """
        data: images.h5  # comment
        steps: 1_000
        learning_rate: 2.5e-4
        model: {dim: 32, dim_mults: [1, 2], smd: yes}
        diffusion:
          objective: "v"
          flip: on
        #!model.dim=64
        #!model.dim_mults=[1, 2, 4]
        #!data=a b
        """,
        "{\"data\": \"x.h5\", \"ema\": {\"decay\": 0.99}, \"optimizer\": {\"beta1\": 0.9}}",
    ]

    /// What `write` leaves under a temporary name.
    private func made(_ name: String, _ write: (String) throws -> Void) throws -> [UInt8] {
        let folder = FileManager.default.temporaryDirectory.path + "/smd-seed-\(UUID().uuidString)"
        try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(atPath: folder) }
        try write(folder + "/" + name)
        return try [UInt8](Data(contentsOf: URL(fileURLWithPath: folder + "/" + name)))
    }

    private func sealedCheckpoint() throws -> [UInt8] {
        let tensors = [
            NamedTensor(name: "model.weight", shape: [1, 2, 1, 1], values: [1, -2]),
            NamedTensor(name: "model.bias", shape: [1], values: [3]),
        ]
        let header = CheckpointHeader(
            step: 7, seed: .max, config: "{\"data\": \"a.h5\"}", dataFingerprint: "ab", version: "0",
            attributes: ["ema_updates": .integer(3), "rate": .double(0.5), "on": .boolean(true)])
        let names = ["parameters", "ema", "optimizer/first_moment", "networks/critic/parameters"]
        let state = Checkpoint(header, groups: names.map { TensorGroup(name: $0, tensors: tensors) })
        return try made("a.h5") { try state.write(to: $0) }
    }

    private func dataSet(chunk: Int?, deflate: Int?) throws -> [UInt8] {
        let file = try HDF5File.createInMemory()
        let images = try file.root.createDataset(
            "images", type: .uint8, shape: [6, 4, 4, 1], chunk: chunk.map { [$0, 4, 4, 1] }, deflate: deflate)
        try images.write((0..<96).map { UInt8($0) })
        try images.setAttribute("CLASS", .string("IMAGE"))
        try file.root.write((0..<6).map { Int32($0) }, shape: [6], to: "labels")
        try file.root.writeStrings(["a", "b", "c", "d", "e", "f"], to: "label_names")
        try file.root.setAttribute("source", .string("seed"))
        try file.root.setAttribute("count", .integer(6))
        // In our own files more is checked, in those of others more is possible.
        if chunk != nil { try file.root.setAttribute("format", .string("smd data set")) }
        return try file.image()
    }

    private func images() throws -> [[UInt8]] {
        let pixels = (0..<108).map { UInt8(truncatingIfNeeded: $0 * 7) }
        let colour = try made("a.png") { try PNG.write(pixels, height: 6, width: 6, channels: 3, to: $0) }
        let grey = try made("a.png") { try PNG.write(pixels, height: 12, width: 9, channels: 1, to: $0) }
        return [colour, grey] + Self.jpegs.map { [UInt8](Data(base64Encoded: $0) ?? Data()) }
    }

    /// A small progressive JPEG, and a grey one with Exif data (made with Pillow).
    private static let jpegs = [
        """
        /9j/4AAQSkZJRgABAQAAAQABAAD/2wBDAAMCAgMCAgMDAwMEAwMEBQgFBQQEBQoHBwYIDAoMDAsKCwsNDhIQDQ4RDgsLEBYQERMUFRUVDA8X\
        GBYUGBIUFRT/2wBDAQMEBAUEBQkFBQkUDQsNFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBT/wgAR\
        CAAIABADAREAAhEBAxEB/8QAFAABAAAAAAAAAAAAAAAAAAAABv/EABYBAQEBAAAAAAAAAAAAAAAAAAcGCP/aAAwDAQACEAMQAAABEzbUX0cB\
        /wD/xAAUEAEAAAAAAAAAAAAAAAAAAAAQ/9oACAEBAAEFAj//xAAUEQEAAAAAAAAAAAAAAAAAAAAQ/9oACAEDAQE/AT//xAAUEQEAAAAAAAAA\
        AAAAAAAAAAAQ/9oACAECAQE/AT//xAAUEAEAAAAAAAAAAAAAAAAAAAAQ/9oACAEBAAY/Aj//xAAUEAEAAAAAAAAAAAAAAAAAAAAQ/9oACAEB\
        AAE/IT//2gAMAwEAAgADAAAAEL//xAAUEQEAAAAAAAAAAAAAAAAAAAAQ/9oACAEDAQE/ED//xAAUEQEAAAAAAAAAAAAAAAAAAAAQ/9oACAEC\
        AQE/ED//xAAUEAEAAAAAAAAAAAAAAAAAAAAQ/9oACAEBAAE/ED//2Q==
        """,
        """
        /9j/4AAQSkZJRgABAQAAAQABAAD/4QAiRXhpZgAATU0AKgAAAAgAAQESAAMAAAABAAYAAAAAAAD/2wBDAAMCAgMCAgMDAwMEAwMEBQgFBQQE\
        BQoHBwYIDAoMDAsKCwsNDhIQDQ4RDgsLEBYQERMUFRUVDA8XGBYUGBIUFRT/wAALCAAQACABAREA/8QAHwAAAQUBAQEBAQEAAAAAAAAAAAEC\
        AwQFBgcICQoL/8QAtRAAAgEDAwIEAwUFBAQAAAF9AQIDAAQRBRIhMUEGE1FhByJxFDKBkaEII0KxwRVS0fAkM2JyggkKFhcYGRolJicoKSo0\
        NTY3ODk6Q0RFRkdISUpTVFVWV1hZWmNkZWZnaGlqc3R1dnd4eXqDhIWGh4iJipKTlJWWl5iZmqKjpKWmp6ipqrKztLW2t7i5usLDxMXGx8jJ\
        ytLT1NXW19jZ2uHi4+Tl5ufo6erx8vP09fb3+Pn6/9oACAEBAAA/APhSivqCivqCivqCiv/Z
        """,
    ]

    private func gzip(_ bytes: [UInt8], at path: String) throws {
        let plain = String(path.dropLast(3))
        try Data(bytes).write(to: URL(fileURLWithPath: plain))
        let process = Process()
        process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
        process.arguments = ["gzip", "-9", plain]
        try process.run()
        process.waitUntilExit()
    }
}
