import Foundation
import TestSupport
import Testing

/// `smd dataset`: what it says, and where it says it.
@Suite struct DatasetCommandTests {
    private let others = repositoryFolder + "/Tests/Fixtures/hdf5/others/"

    private func write(_ bytes: [UInt8], _ path: String) throws {
        try FileManager.default.createDirectory(
            atPath: URL(fileURLWithPath: path).deletingLastPathComponent().path, withIntermediateDirectories: true)
        try Data(bytes).write(to: URL(fileURLWithPath: path))
    }

    /// Pictures of digits come under the names of the files of Fashion-MNIST.
    @Test func onlyFashionMNISTHasGarments() throws {
        try withTemporaryDirectory { folder in
            let images: [UInt8] = [0, 0, 8, 3, 0, 0, 0, 3, 0, 0, 0, 1, 0, 0, 0, 2, 1, 2, 3, 4, 5, 6]
            try write(images, folder + "/train-images-idx3-ubyte")
            try write([0, 0, 8, 1, 0, 0, 0, 3, 7, 7, 3], folder + "/train-labels-idx1-ubyte")
            let result = try smd(
                ["dataset", "prepare", "fashion-mnist", "--source", folder, "--output", folder + "/a.h5"])
            #expect(result.status == 0 && result.output.hasSuffix(": 3 images of 32×32×1; 2 classes\n"))
            #expect(result.errors.contains("smd: warning: ") && result.errors.contains("not Fashion-MNIST"))
            let info = try smd(["dataset", "info", folder + "/a.h5"]).output
            #expect(info.contains("2 classes (3: 1, 7: 2)") && info.contains(folder + "/train-images-idx3-ubyte, "))
            #expect(!info.contains("Fashion-MNIST") && !info.contains("sneaker"))
        }
    }

    @Test(.enabled(if: FileManager.default.fileExists(atPath: "/usr/share/datasets/fashion-mnist")))
    func fashionMNISTIsKnown() throws {
        try withTemporaryDirectory { folder in
            for (source, file) in [("/usr/share/datasets/fashion-mnist", "a.h5"), (folder, "b.h5")] {
                let prepare = ["dataset", "prepare", "fashion-mnist", "--split", "test", "--source", source]
                let result = try smd(prepare + ["--output", folder + "/" + file])
                #expect(result.status == 0 && result.errors.isEmpty, "\(result.errors)")
                #expect(result.output.hasSuffix(": 10000 images of 32×32×1; 10 classes\n"))
                let info = try smd(["dataset", "info", folder + "/" + file]).output
                #expect(info.contains("Fashion-MNIST, test") && info.contains("ankle boot: 1000"))
                // Next, unpacked.
                for name in ["t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte"] {
                    let unpack = "zcat /usr/share/datasets/fashion-mnist/\(name).gz > \"$0/\(name)\""
                    #expect(try run(["sh", "-c", unpack, folder], timeout: 60).status == 0)
                }
            }
        }
    }

    @Test func argumentsThatAreNotUTF8AreShownAsTheyAre() throws {
        let script = "\"$0\" dataset info \"$(printf 'caf\\351.png')\""
        let result = try run(["bash", "-c", script, product("smd")], timeout: 60)
        #expect(result.status == 64 && result.output.isEmpty)
        #expect(result.errors.hasPrefix("smd: error: the argument caf\\xE9.png is not UTF-8 text: rename"))
        #expect(result.errors.filter { $0 == "\n" }.count == 1)
    }

    @Test func aFullDiskBehindStandardOutputIsSaid() throws {
        try withTemporaryDirectory { folder in
            try write([0x31, 0x20, 0x32, 0x0A], folder + "/p.txt")
            let commands = [
                "info \"$1\"", "info --json \"$1\"", "verify \"$1\"", "verify --json \"$1\"",
                "preview \"$1\" --output \"$2/a.png\"",
                "prepare points \"$2/p.txt\" --output \"$2/p.h5\"",
                "prepare gaussian-grid --count 4 --output \"$2/g.h5\"",
            ]
            for command in commands {
                let script = "\"$0\" dataset \(command) > /dev/full"
                let result = try run(
                    ["sh", "-c", script, product("smd"), others + "small.h5", folder], timeout: 60)
                #expect(result.status == 73, "\(command): \(result.errors)")
                #expect(result.errors.hasPrefix("smd: error: cannot write to standard output"), "\(command)")
            }
        }
    }

    @Test func whatIsLeftOutIsNamedAndCounted() throws {
        try withTemporaryDirectory { folder in
            let pixel = """
                iVBORw0KGgoAAAANSUhEUgAAAAoAAAABAQAAAADPjgLTAAAAC0lEQVR42mNY1QAAAdcBK//wZ1UAAAAASUVORK5CYII=
                """
            let image = [UInt8](try #require(Data(base64Encoded: pixel)))
            try write(image, folder + "/in/a\u{1B}[31m/1.png")
            try write(image, folder + "/in/b/1.png")
            try write([0xD0], folder + "/in/Thumbs\u{1B}.db")
            try write([0xD0], folder + "/in/.hidden")
            let prepare = ["dataset", "prepare", "images", folder + "/in", "--size", "1", "--output", folder + "/a.h5"]
            let result = try smd(prepare)
            #expect(result.status == 0)
            #expect(
                result.output
                    == "\(folder)/a.h5: 2 images of 1×1×3; 2 classes; 1 skipped; 1 hidden left out; 1 exact copies of others\n"
            )
            #expect(
                result.errors
                    == "smd: warning: skipped \(folder)/in/Thumbs .db: neither a PNG, JPEG, WebP nor a TIFF file\n")
            let info = try smd(["dataset", "info", folder + "/a.h5"])
            #expect(info.output.contains("2 classes (a [31m: 1, b: 1)") && !hasControlCharacters(info.output))
            let strict = try smd(prepare + ["--strict", "--overwrite"])
            #expect(strict.status == 65 && strict.errors.contains("/in/Thumbs .db: neither"))
        }
    }

    @Test func infoIsJSONToo() throws {
        #expect(try smd(["dataset", "info", "--json", others + "absent.h5"]).status == 65)
        let info = try smd(["dataset", "info", "--json", others + "text.h5"]).output
        let facts = try object(info)
        #expect(facts["count"] as? Int == 4 && facts["kind"] as? String == "images" && facts["filter"] == nil)
        #expect((facts["fingerprint"] as? String)?.count == 64 && (facts["sample_shape"] as? [Int])?.count == 3)
        let list = facts["facts"] as? [[String: String]] ?? []
        #expect(list.contains(["name": "samples", "value": "4"]))
        #expect(list.contains(["name": "not used", "value": "/labels is string, not integers"]))
        let found = try object(smd(["dataset", "verify", "--json", others + "text.h5"]).output)
        #expect(found["file"] as? String == others + "text.h5")
        #expect((found["found"] as? [String])?.last == "not used: /labels is string, not integers")
    }
}
