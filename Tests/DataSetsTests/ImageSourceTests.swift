import Arrays
import DataSets
import Files
import Foundation
import HDF5
import TestSupport
import Testing

/// What `smd dataset prepare` makes of archives and arrays, and where labels come from.
@Suite struct ImageSourceTests {
    private func preparation(_ output: String, _ change: (inout Preparation) -> Void = { _ in }) -> Preparation {
        var job = Preparation(
            output: output, provenance: Provenance(source: "a test", command: "smd …", tool: "smd test"))
        change(&job)
        return job
    }

    private func png(_ value: UInt8) throws -> [UInt8] { try PNG.encode([value], height: 1, width: 1, channels: 1) }

    private func write(_ bytes: [UInt8], _ path: String) throws {
        try FileManager.default.createDirectory(
            atPath: (path as NSString).deletingLastPathComponent, withIntermediateDirectories: true)
        try Data(bytes).write(to: URL(fileURLWithPath: path))
    }

    private func pixels(_ path: String) throws -> [UInt8] {
        let set = try DataSet(path: path)
        return try (0..<set.count).flatMap { try set.pixels($0) }
    }

    private func text(_ body: () throws -> Void) -> String {
        do {
            try body()
            return "nothing"
        } catch {
            return "\(error)"
        }
    }

    // MARK: Archives

    @Test func anArchiveIsTheFolderThatWasPacked() throws {
        try withTemporaryDirectory { folder in
            let files = ["dogs/2.png": 40, "cats/1.png": 10, "dogs/1.png": 30, "cats/2.png": 20] as [String: UInt8]
            for (name, value) in files { try write(png(value), "\(folder)/photos/\(name)") }
            for (name, packing) in [("a.tar", "-c"), ("b.tgz", "-cz"), ("c.tar.xz", "-cJ")] {
                let made = try run(["tar", packing, "-C", folder, "-f", "\(folder)/\(name)", "photos"], timeout: 60)
                #expect(made.status == 0)
            }
            // In another order, with what Macs and Windows add.
            let members = files.sorted { $0.key > $1.key }.map { (name: "x/photos/\($0.key)", value: $0.value) }
            let extra: [(name: String, content: [UInt8])] = [
                ("__MACOSX/photos/._1.png", [1]), ("x/photos/.DS_Store", [1]), ("x/photos/Thumbs.db", [1, 2]),
                ("../out.png", try png(1)),
            ]
            let zip = try ZipFile.encode(try members.map { ($0.name, try png($0.value)) } + extra)
            try write(zip, folder + "/d.zip")

            let rules = ImageRules.test(size: 1, channels: 1)
            _ = try preparation(folder + "/whole.h5").images(folder: folder + "/photos", rules)
            let whole = try DataSet(path: folder + "/whole.h5")
            for name in ["a.tar", "b.tgz", "c.tar.xz", "d.zip"] {
                var notes: [PreparationNote] = []
                let output = "\(folder)/\(name).h5"
                let result = try preparation(output).images(archive: "\(folder)/\(name)", rules) { notes.append($0) }
                let set = try DataSet(path: output)
                #expect(set.fingerprint == whole.fingerprint && result.written == 4 && result.classes == 2, "\(name)")
                #expect(try set.labels() == [0, 0, 1, 1] && set.labelNames() == ["cats", "dogs"])
                guard name == "d.zip" else { continue }
                #expect(result.hidden == 2 && result.skipped == 2, "\(result)")
                #expect(
                    notes.contains(.skipped("\(folder)/d.zip/Thumbs.db: neither a PNG, JPEG, WebP nor a TIFF file")))
                #expect(
                    notes.contains(.skipped("\(folder)/d.zip/../out.png: has a name that leads out of the archive")))
            }
        }
    }

    @Test func linksAndDevicesInAnArchiveAreNamed() throws {
        try withTemporaryDirectory { folder in
            try write(png(1), folder + "/in/a.png")
            #expect(symlink("/etc/passwd", folder + "/in/b.png") == 0 && mkfifo(folder + "/in/c.png", 0o600) == 0)
            #expect(link(folder + "/in/a.png", folder + "/in/d.png") == 0)
            #expect(try run(["tar", "-cf", folder + "/a.tar", "-C", folder, "in"], timeout: 60).status == 0)
            let archive = try ImageArchive(path: folder + "/a.tar")
            #expect(archive.count == 1 && archive.skipped.map { "\($0.path)" }.sorted() == ["b.png", "c.png", "d.png"])
            // The archive ends early: what is read before is not taken for all of it.
            let bytes = try [UInt8](Data(contentsOf: URL(fileURLWithPath: folder + "/a.tar")))
            try write(Array(bytes[..<700]), folder + "/cut.tar")
            #expect(text { _ = try ImageArchive(path: folder + "/cut.tar") }.contains("cut.tar"))
            try write(Array("no archive at all".utf8), folder + "/no.zip")
            #expect(text { _ = try ImageArchive(path: folder + "/no.zip") }.contains("cannot be read as an archive"))
        }
    }

    // MARK: Labels

    private func labels(_ rule: LabelRule, _ files: [String], list: String? = nil) throws -> String {
        try withTemporaryDirectory { folder in
            for (place, name) in files.enumerated() { try write(png(UInt8(place)), "\(folder)/in/\(name)") }
            var rule = rule
            if let list {
                let path = rule == .automatic ? folder + "/in/dataset.json" : folder + "/list"
                try write(Array(list.utf8), path)
                if rule != .automatic { rule = .list(path) }
            }
            var rules = ImageRules.test(size: 1, channels: 1)
            rules.labels = rule
            do {
                _ = try preparation(folder + "/a.h5").images(folder: folder + "/in", rules)
            } catch {
                return "\(error)".replacingOccurrences(of: folder, with: "")
            }
            let set = try DataSet(path: folder + "/a.h5")
            return "\(try set.labels() ?? []) \(try set.labelNames() ?? [])"
        }
    }

    @Test func labelsComeFromWhereTheyAreAskedFor() throws {
        let files = ["a/1_x.png", "b/2_y.png", "b/3_x.png"]
        #expect(try labels(.automatic, files) == #"[0, 1, 1] ["a", "b"]"#)
        #expect(try labels(.none, files) == "[] []")
        #expect(try labels(.pattern("_(.)"), files) == #"[0, 1, 0] ["x", "y"]"#)
        #expect(try labels(.pattern("z"), files).contains("a/1_x.png gets no label"))
        #expect(try labels(.pattern("("), files).contains("not a regular expression"))
        let csv = "name,label\r\na/1_x.png,big\n\"b/2_y.png\",\"sm,\"\"all\"\nb/3_x.png,big\n"
        #expect(try labels(.list(""), files, list: csv) == #"[0, 1, 0] ["big", "sm,\"all"]"#)
        #expect(try labels(.list(""), files, list: "a/1_x.png,7\nb/2_y.png,3\nb/3_x.png,7\n") == "[7, 3, 7] []")
        #expect(
            try labels(.list(""), files, list: "a/1_x.png,7\n").contains("no label for 2 of 3 images, such as b/2_y"))
        #expect(try labels(.list(""), files, list: "a/1_x.png\n").contains("/list:1: not a line"))
        #expect(try labels(.list(""), files, list: "a/1_x.png,1\na/1_x.png,2\n").contains("/list:2: a/1_x.png has the"))
        let json = #"{"labels": [["a/1_x.png", 6], ["b/2_y.png", 9], ["b/3_x.png", 6]]}"#
        #expect(try labels(.automatic, files, list: json) == "[6, 9, 6] []")
        #expect(try labels(.automatic, files, list: #"{"labels": null}"#) == #"[0, 1, 1] ["a", "b"]"#)
        #expect(try labels(.automatic, files, list: #"{"labels": [["a", [1, 2]]]}"#).contains("neither an integer"))
        #expect(try labels(.automatic, files, list: "{").contains("not a JSON object"))
    }

    // MARK: Arrays

    @Test func arraysOfNumPyAreImages() throws {
        try withTemporaryDirectory { folder in
            // Two images of 2×2, channels first, from −1 to 1: 0, 127.5 (to even: 128), 255, …
            let values: [Double] = [-1, 0, 1, 0.5, -1, -1, -1, -1, 1, 1, 1, 1] + [Double](repeating: 0, count: 12)
            let zip = try NPZ.encode([
                ("arr_0", .numbers(NumericArray(values, shape: [2, 3, 2, 2]))),
                ("text", .text("no images")),
            ])
            try write(zip, folder + "/a.npz")
            var rules = PixelArrayRules()
            func images(_ member: String = "arr_0") throws -> NumPyImages {
                try NumPyImages(path: folder + "/a.npz", member: member, rules)
            }
            #expect(text { _ = try images() }.contains("say which are black and white"))
            rules.range = -1...1
            #expect(text { _ = try images("text") }.contains("its elements are of type"))
            #expect(text { _ = try images("none") }.contains("holds no array none, but arr_0, text"))
            let job = preparation(folder + "/a.h5")
            _ = try job.images(from: images(), .test(size: 2, channels: 3))
            #expect(try Array(pixels(folder + "/a.h5")[..<12]) == [0, 0, 255, 128, 0, 255, 255, 0, 255, 191, 0, 255])
            rules.range = 0...1
            #expect(
                text {
                    _ = try preparation(folder + "/b.h5").images(
                        from: images(), .test(size: 2, channels: 3, strict: true))
                }
                .contains("holds -1.0, outside of 0.0…1.0"))
            rules.layout = .channelsLast
            #expect(text { _ = try images() }.contains("no 1, 3 or 4 channels where --layout NHWC"))
        }
    }

    @Test func arraysOfHDF5AreImages() throws {
        try withTemporaryDirectory { folder in
            let path = folder + "/in.h5"
            let file = try HDF5File.create(path)
            try file.root.createGroup("g").write([0, 51, 102, 255] as [Float], shape: [1, 2, 2], to: "grey")
            // RGB and alpha: half of it white.
            try file.root.write([100, 50, 0, 51] as [UInt8], shape: [1, 1, 1, 4], to: "alpha")
            try file.root.write([7] as [Int32], shape: [1], to: "label")
            try file.close()
            var rules = PixelArrayRules()
            (rules.range, rules.labels) = (0...255, "label")
            _ = try preparation(folder + "/a.h5").images(
                from: HDF5Images(path: path, dataset: "g/grey", rules), .test(size: 2, channels: 1))
            #expect(try pixels(folder + "/a.h5") == [0, 51, 102, 255])
            #expect(try DataSet(path: folder + "/a.h5").labels() == [7])
            var last = PixelArrayRules()
            #expect(text { _ = try HDF5Images(path: path, dataset: "alpha", last) }.contains("say --layout NHWC or"))
            last.layout = .channelsLast
            _ = try preparation(folder + "/b.h5").images(
                from: HDF5Images(path: path, dataset: "alpha", last), .test(size: 1, channels: 3))
            #expect(try pixels(folder + "/b.h5") == [224, 214, 204])
            #expect(text { _ = try HDF5Images(path: path, dataset: "label", rules) }.contains("images are N×H×W"))
        }
    }

    @Test func cifarIsReadFromItsBinaryVersion() throws {
        try withTemporaryDirectory { folder in
            func row(_ label: UInt8) -> [UInt8] {
                [label] + [UInt8](repeating: 10, count: 1024) + [UInt8](repeating: 20, count: 1024)
                    + [UInt8](repeating: label, count: 1024)
            }
            try write(row(3) + row(1), folder + "/test_batch.bin")
            try write(Array("air\nball\ncat\ndog\n\n".utf8), folder + "/batches.meta.txt")
            let source = try CIFARImages(folder: folder, split: .test)
            _ = try preparation(folder + "/a.h5").images(cifar: source, .test(size: 32, channels: 3))
            let set = try DataSet(path: folder + "/a.h5")
            #expect(try set.labels() == [3, 1] && set.labelNames() == ["air", "ball", "cat", "dog"])
            #expect(try Array(set.pixels(0)[..<6]) == [10, 20, 3, 10, 20, 3])
            try write([0x80, 2], folder + "/python/data_batch_1")
            #expect(
                text { _ = try CIFARImages(folder: folder + "/python", split: .train) }.contains("for Python, pickled"))
            try write([1, 2], folder + "/cut/train.bin")
            #expect(
                text { _ = try CIFARImages(folder: folder + "/cut", split: .train) }.contains("no whole rows of 3074"))
        }
    }

    @Test func databasesOfLMDBAreRead() throws {
        try withTemporaryDirectory { folder in
            try write(Samples.bytes(Samples.lmdb), folder + "/db/data.mdb.gz")
            #expect(try run(["gunzip", folder + "/db/data.mdb.gz"], timeout: 60).status == 0)
            for path in [folder + "/db", folder + "/db/data.mdb"] {
                try LMDBImages.tryReading(path: path)
                _ = try preparation(path + ".h5").images(from: LMDBImages(path: path), .test(size: 2, channels: 1))
                #expect(try pixels(path + ".h5") == [10, 10, 10, 10, 20, 20, 20, 20])
            }
            try write([UInt8](repeating: 7, count: 20_000), folder + "/no/data.mdb")
            #expect(text { _ = try LMDBImages(path: folder + "/no") }.contains("cannot be read as a database of LMDB"))
        }
    }

    // MARK: What is kept

    @Test func copiesAreFoundAndSourcesKept() throws {
        try withTemporaryDirectory { folder in
            for (name, value) in ["a.png": 1, "b.png": 2, "c.png": 1] as [String: UInt8] {
                try write(png(value), "\(folder)/in/\(name)")
            }
            try write([1], folder + "/in/bad.png")
            var rules = ImageRules.test(size: 1, channels: 1)
            let kept = try preparation(folder + "/a.h5").images(folder: folder + "/in", rules)
            #expect(kept.written == 3 && kept.duplicates == 1)
            rules.duplicates = .drop
            let dropped = try preparation(folder + "/b.h5").images(folder: folder + "/in", rules)
            #expect(dropped.written == 2 && dropped.duplicates == 1 && dropped.skipped == 1)
            let info = try DataSetInfo(path: folder + "/b.h5")
            #expect(try info.skipped == 2 && info.fingerprint == DataSet(path: folder + "/b.h5").fingerprint)
            #expect(info.summary.contains { $0 == ("skipped", "c.png: an exact copy of a.png") })
            let origin = try #require(try info.origin(of: 1))
            let digest = try run(["sha256sum", folder + "/in/b.png"], timeout: 60).output
            #expect(origin.name == "b.png" && digest.hasPrefix(origin.sha256))
            rules.keepsSources = false
            _ = try preparation(folder + "/c.h5").images(folder: folder + "/in", rules)
            #expect(try DataSetInfo(path: folder + "/c.h5").origin(of: 1) == nil)
        }
    }
}
