import Files
import Foundation
import DataSets
import TestSupport
import Testing

/// What `smd dataset prepare images` makes of a folder from elsewhere: every entry is an image of the data set, or named.
@Suite struct ImageFolderTests {
    /// A folder, and what preparing it says.
    private struct Case {
        let folder: String

        func place(_ name: [UInt8]) throws -> BytePath {
            let path = BytePath(folder + "/in").appending(BytePath(bytes: name))
            for (index, byte) in path.bytes.enumerated() where byte == UInt8(ascii: "/") && index > folder.utf8.count {
                _ = BytePath(bytes: path.bytes[..<index]).withCString { mkdir($0, 0o777) }
            }
            return path
        }

        func write(_ name: String, _ bytes: [UInt8]) throws { try write(Array(name.utf8), bytes) }

        func write(_ name: [UInt8], _ bytes: [UInt8]) throws {
            let descriptor = try place(name).withCString { open($0, O_WRONLY | O_CREAT | O_TRUNC, 0o644) }
            #expect(descriptor >= 0 && Glibc.write(descriptor, bytes, bytes.count) == bytes.count)
            close(descriptor)
        }

        func image(_ name: String, _ value: UInt8 = 1) throws { try image(Array(name.utf8), value) }

        func image(_ name: [UInt8], _ value: UInt8 = 1) throws {
            try write(name, PNG.encode([value], height: 1, width: 1, channels: 1))
        }

        func prepare(
            _ output: String = "a.h5", strict: Bool = false, shardSize: Int? = nil, overwrite: Bool = false
        ) throws -> (result: PreparedImages, notes: [PreparationNote]) {
            let preparation = Preparation(
                output: folder + "/" + output,
                provenance: Provenance(source: "a test", command: "smd dataset prepare …", tool: "smd test"),
                shardSize: shardSize, overwrite: overwrite)
            var notes: [PreparationNote] = []
            let result = try preparation.images(folder: folder + "/in", .test(size: 1, channels: 1, strict: strict)) {
                notes.append($0)
            }
            return (result, notes)
        }

        func set(_ output: String = "a.h5") throws -> DataSet { try DataSet(path: folder + "/" + output) }

        /// The line that ends preparing with `strict`.
        func refusal() -> String {
            do {
                return "prepared \(try prepare("strict.h5", strict: true).result)"
            } catch {
                return "\(error)"
            }
        }

        func skipped(_ name: String, _ reason: String) -> PreparationNote {
            .skipped("\(folder)/in/\(name): \(reason)")
        }
    }

    private func withCase<T>(_ body: (Case) throws -> T) throws -> T {
        try withTemporaryDirectory { folder in
            #expect(mkdir(folder + "/in", 0o777) == 0)
            return try body(Case(folder: folder))
        }
    }

    private let broken: [UInt8] = [0x89, 0x50, 0x4E, 0x47, 0x0D, 0x0A, 0x1A, 0x0A, 0]

    // MARK: Classes

    @Test func strayFilesTakeNoLabelsAway() throws {
        try withCase { test in
            for name in ["cats/1.png", "cats/2.png", "dogs/1.png"] { try test.image(name) }
            try test.write("Thumbs.db", [0xD0, 0xCF, 0x11, 0xE0])
            try test.write("README", [])
            try test.write("broken.png", broken)
            try test.write("notes/readme.txt", Array("text".utf8))
            try test.write("truncated/1.png", broken)
            let (result, notes) = try test.prepare()
            #expect(result == PreparedImages(written: 3, skipped: 5, hidden: 0, classes: 2, duplicates: 2))
            #expect(notes.contains(test.skipped("README", "an empty file")) && notes.count == 5)
            #expect(try test.set().labels() == [0, 0, 1])
            #expect(try test.set().labelNames() == ["cats", "dogs"])
            #expect(test.refusal().contains("/in/README: an empty file"))
        }
    }

    @Test func imagesOfWhichOnlySomeHaveAClassAreTold() throws {
        try withCase { test in
            for name in ["cats/1.png", "dogs/1.png", "loose.png"] { try test.image(name) }
            let (result, notes) = try test.prepare()
            #expect(result == PreparedImages(written: 3, duplicates: 2))
            guard case .warning(let line) = notes.first else { Issue.record("\(notes)"); return }
            let words = "only some images lie in sub-folders (cats, dogs), others beside them (loose.png)"
            #expect(notes.count == 1 && line.contains(words) && line.contains("no labels are written"))
            #expect(try test.set().labels() == nil)
            #expect(test.refusal().contains(words))
        }
    }

    @Test func imagesWithoutSubfoldersHaveNoLabels() throws {
        try withCase { test in
            try test.image("1.png")
            try test.image("2.png")
            let (result, notes) = try test.prepare(strict: true)
            #expect(result == PreparedImages(written: 2, duplicates: 1) && notes.isEmpty)
            #expect(try test.set().labels() == nil)
        }
    }

    // MARK: Names

    @Test func normalFormsAreDifferentClasses() throws {
        try withCase { test in
            let (composed, decomposed) = ("caf\u{e9}", "cafe\u{301}")
            try test.image(composed + "/1.png", 10)
            try test.image(decomposed + "/1.png", 20)
            try test.image(decomposed + "/2.png", 30)
            let (result, _) = try test.prepare(strict: true)
            #expect(result.written == 3 && result.classes == 2)
            // In the order of the bytes: "e" before the first byte of "é".
            #expect(try test.set().labels() == [0, 0, 1])
            #expect(try (0..<3).map { try test.set().pixels($0) } == [[20], [30], [10]])
            let names = try #require(try test.set().labelNames())
            #expect(names[0].hasSameBytes(as: decomposed) && names[1].hasSameBytes(as: composed))
        }
    }

    /// A class may even be called as another one's bytes are written.
    @Test func namesNeedNotBeUTF8() throws {
        try withCase { test in
            let name = Array("d".utf8) + [0xE9]
            try test.image(name + Array("/".utf8) + [0xE0, 0x2E], 10)
            try test.image("d\\xE9/1.png", 20)
            try test.image("d\u{FFFD}/1.png", 30)
            let (result, notes) = try test.prepare(strict: true)
            #expect(result == PreparedImages(written: 3, skipped: 0, hidden: 0, classes: 3) && notes.isEmpty)
            #expect(try test.set().labelNames() == ["d\\xE9", "d/xE9", "d\u{FFFD}"].map { String($0) })
            #expect(try (0..<3).map { try test.set().pixels($0) } == [[20], [10], [30]])
            // A file that is none is named.
            try test.write([0xFF, 0x1B], Array("x".utf8))
            let reason = "neither a PNG, JPEG, WebP nor a TIFF file"
            #expect(try test.prepare("b.h5").notes == [test.skipped("\\xFF ", reason)])
        }
    }

    @Test func aNameMayBeginWithAnAccent() throws {
        try withCase { test in
            try test.image("a/\u{301}.png", 10)
            try test.image("b/1.png", 20)
            try test.image(".\u{301}hidden.png")
            let (result, _) = try test.prepare(strict: true)
            #expect(result == PreparedImages(written: 2, skipped: 0, hidden: 1, classes: 2))
            #expect(try test.set().labelNames() == ["a", "b"])
        }
    }

    // MARK: Entries

    @Test func whatCannotBeReadIsNamed() throws {
        try withCase { test in
            try test.image("a.png")
            let inside = test.folder + "/in/"
            #expect(symlink("nowhere.png", inside + "dangling.png") == 0)
            #expect(symlink(".", inside + "loop") == 0)
            #expect(symlink("self", inside + "self") == 0)
            #expect(mkfifo(inside + "pipe.png", 0o600) == 0)
            #expect(symlink("a.png", inside + "link.png") == 0)
            try test.image(".hidden.png")
            try test.image(".folder/a.png")
            let (result, notes) = try test.prepare()
            #expect(result == PreparedImages(written: 2, skipped: 4, hidden: 2, duplicates: 1))
            #expect(
                notes == [
                    test.skipped("dangling.png", "a link to nothing"),
                    test.skipped("loop", "leads to the folder itself, which is read already"),
                    test.skipped("pipe.png", "is a pipe or device, not a file"),
                    test.skipped("self", "cannot be looked at: Too many levels of symbolic links"),
                ])
            for name in ["dangling.png", "loop", "pipe.png", "self"] {
                #expect(test.refusal().contains("/in/\(name): "))
                unlink(inside + name)
            }
            #expect(test.refusal() == "prepared \(PreparedImages(written: 2, hidden: 2, duplicates: 1))")
        }
    }

    @Test func linkedFoldersAreReadOnce() throws {
        try withCase { test in
            try test.image("cats/1.png")
            #expect(symlink("cats", test.folder + "/in/kitties") == 0)
            let (result, notes) = try test.prepare()
            #expect(result.written == 1 && notes == [test.skipped("kitties", "leads to cats, which is read already")])
            #expect(throws: DataSetError.self) { try ImageFolder(path: test.folder + "/none") }
        }
    }

    /// As a user who is not root: only the thread that lists the folder is made one.
    @Test(.enabled(if: Caller.canBeAnother, "needs root and setfsuid"))
    func foldersThatCannotBeEnteredAreNamed() throws {
        try withCase { test in
            for name in ["closed/1.png", "listed/1.png", "open/1.png"] { try test.image(name) }
            #expect(chmod(test.folder + "/in/closed", 0o700) == 0 && chmod(test.folder + "/in/listed", 0o744) == 0)
            #expect(chmod(test.folder, 0o777) == 0)
            let (result, notes) = try Caller.asAnother { try test.prepare() }
            #expect(result.written == 1 && result.skipped == 2)
            #expect(
                notes == [
                    test.skipped("closed", "a folder that cannot be read: Permission denied"),
                    test.skipped("listed/1.png", "cannot be looked at: Permission denied"),
                ])
            #expect(Caller.asAnother { test.refusal() }.contains("closed: a folder that cannot be read"))
        }
    }

    // MARK: Outputs

    /// The output may lie among the images, and be made again.
    @Test func theOutputIsNoInput() throws {
        try withCase { test in
            for name in ["cats/1.png", "dogs/1.png", "dogs/2.png"] { try test.image(name) }
            for overwrite in [false, true] {
                let (result, notes) = try test.prepare("in/out.h5", strict: true, overwrite: overwrite)
                #expect(result == PreparedImages(written: 3, classes: 2, duplicates: 2) && notes.isEmpty)
            }
            let whole = try test.set("in/out.h5").fingerprint
            unlink(test.folder + "/in/out.h5")
            for overwrite in [false, true] {
                let (result, notes) = try test.prepare("in/out.json", strict: true, shardSize: 2, overwrite: overwrite)
                #expect(result.written == 3 && result.classes == 2 && notes.isEmpty)
            }
            #expect(try test.set("in/out.json").fingerprint == whole)
            // Another one is just a file that is no image.
            let (result, notes) = try test.prepare()
            #expect(result.written == 3 && result.classes == 2 && notes.count == 3)
        }
    }
}

/// Who opens files: the file system's user is a thread's own.
enum Caller {
    private static let setfsuid = dlsym(nil, "setfsuid").map {
        unsafeBitCast($0, to: (@convention(c) (UInt32) -> Int32).self)
    }

    /// Whether this process is root's and may stand in for another.
    static let canBeAnother = geteuid() == 0 && setfsuid != nil

    /// Runs `body` as a user who owns nothing.
    static func asAnother<T>(_ body: () throws -> T) rethrows -> T {
        _ = setfsuid?(65534)
        defer { _ = setfsuid?(0) }
        return try body()
    }
}
