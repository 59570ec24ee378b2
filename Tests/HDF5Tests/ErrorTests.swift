import Foundation
import HDF5
import TestSupport
import Testing

private let foreign = repositoryFolder + "/Tests/Fixtures/hdf5/foreign.h5"

/// The error's one line, or what says that there was none.
private func reason(_ body: () throws -> Void) -> String {
    do {
        try body()
        return "no error"
    } catch {
        return "\(error)"
    }
}

@Suite struct OpeningTests {
    @Test func everyReasonIsTold() throws {
        try withTemporaryDirectory { folder in
            let path = folder + "/a.h5"
            func opening() -> String { reason { _ = try HDF5File.open(path) } }
            func put(_ bytes: Data) throws { try bytes.write(to: URL(fileURLWithPath: path)) }

            #expect(opening() == "\(path) does not exist")
            #expect(reason { _ = try HDF5File.open(folder) } == "\(folder) is a folder, not an HDF5 file")
            #expect(reason { _ = try HDF5File.open("/dev/null") } == "/dev/null is not a regular file")
            try put(Data())
            #expect(opening() == "\(path) is empty, not an HDF5 file")
            try put(Data("PNG or so".utf8))
            #expect(opening() == "\(path) is not an HDF5 file")
            let whole = try Data(contentsOf: URL(fileURLWithPath: goldenFolder + "/schedules.h5"))
            for length in [100, 2000, whole.count - 1] {
                try put(whole.prefix(length))
                #expect(opening() == "\(path) is truncated: it is shorter than its header says; copy or make it again")
            }
            try put(whole.prefix(40))
            #expect(opening().hasPrefix("\(path) is damaged"))
            try put(whole)
            #expect(opening() == "no error")
        }
    }

    @Test func aFileBeingWrittenElsewhereIsLocked() throws {
        try withTemporaryDirectory { folder in
            let path = folder + "/a.h5"
            try HDF5File.create(path).close()
            // libhdf5 locks whole files with flock; a second descriptor stands for another program.
            let descriptor = open(path, O_RDWR)
            #expect(flock(descriptor, LOCK_EX) == 0)
            #expect(
                reason { _ = try HDF5File.open(path) }
                    == "\(path) is locked: another program is writing it; wait for it or stop it")
            close(descriptor)
            #expect(reason { _ = try HDF5File.open(path) } == "no error")
        }
    }

    @Test func creatingTellsWhatIsInTheWay() throws {
        try withTemporaryDirectory { folder in
            let path = folder + "/a.h5"
            try HDF5File.create(path).close()
            #expect(reason { _ = try HDF5File.create(path) } == "cannot create \(path): it exists already")
            try HDF5File.create(path, overwrite: true).close()
            #expect(
                reason { _ = try HDF5File.create(folder + "/b/a.h5") }
                    == "cannot create \(folder)/b/a.h5: the folder \(folder)/b does not exist")
            #expect(
                reason { _ = try HDF5File.create(path + "/a.h5") }
                    == "cannot create \(path)/a.h5: \(path) is not a folder")
            #expect(reason { _ = try HDF5File.create(folder, overwrite: true) }.hasSuffix("it is a folder"))
            #expect(reason { _ = try HDF5File.createForSWMR(path) } == "cannot create \(path): it exists already")
        }
    }

    /// /proc takes no files, and says of a new one that it does not exist.
    @Test func aFolderThatIsThereIsNotMissing() throws {
        func writing(_ path: String) -> String {
            reason { try [UInt8](repeating: 1, count: 9).withUnsafeBytes { try DurableFile.write($0, to: path) } }
        }
        #expect(writing("/proc/x") == "cannot create /proc/x: No such file or directory")
        #expect(writing("/nowhere/x") == "cannot create /nowhere/x: the folder /nowhere does not exist")
    }

    @Test func nothingWorksAfterClosing() throws {
        let file = try HDF5File.createInMemory()
        let dataset = try file.root.createDataset("x", type: .uint8, shape: [1])
        try file.close()
        try file.close()
        #expect(reason { try dataset.write([1] as [UInt8]) }.contains("the file is closed"))
        #expect(reason { _ = try file.root.dataset("x") }.contains("the file is closed"))
        #expect(!file.root.contains("x"))
    }
}

@Suite struct ForeignFileTests {
    private let root: HDF5Group

    init() throws {
        root = try HDF5File.open(foreign).root
    }

    @Test func numbersOfEveryWidthAreRead() throws {
        let int16 = try root.dataset("int16")
        #expect(int16.elementType == .other("int16") && int16.isNumeric)
        #expect(try int16.read(as: Int32.self) == [-2, 300])
        #expect(try root.dataset("int16").read(as: Float.self) == [-2, 300])
        #expect(try root.dataset("big_endian").elementType == .float32)
        #expect(try root.dataset("big_endian").read(as: Float.self) == [1.5, -2.5])
        #expect(try root.dataset("half").read(as: Float.self) == [0.5, 65504])
        #expect(try root.dataset("boolean").elementType == .other("boolean"))
        #expect(try root.dataset("boolean").read(as: UInt8.self) == [1, 0, 1])
        #expect(try root.dataset("gzip").read(as: Int64.self, offset: [998], count: [2]) == [998, 999])
    }

    @Test func textOfEveryKindIsRead() throws {
        #expect(try root.dataset("fixed_text").readStrings() == ["one", "three"])
        #expect(try root.dataset("text").readStrings() == ["grün", ""])
        #expect(reason { _ = try root.dataset("int16").readStrings() }.contains("int16 elements, which are not text"))
        #expect(reason { _ = try root.dataset("text").read(as: Float.self) }.contains("which are not numbers"))
        #expect(reason { _ = try root.dataset("compound").read(as: Float.self) }.contains("compound elements"))
    }

    @Test func attributesOfEveryKindAreRead() throws {
        let expected: [String: AttributeValue] = [
            "int8": .integer(-5), "uint16": .integer(65535), "float32": .double(0.5), "fixed": .string("plain"),
            "flag": .boolean(true), "matrix": .integers([1, 2, 3, 4]), "one_text": .string("only"),
            "flags": .integers([1, 0]), "texts": .strings(["a", "b"]),
        ]
        for (name, value) in expected { #expect(try root.attribute(name) == value) }
        #expect(reason { _ = try root.attribute("null") }.contains("null data space"))
        #expect(reason { _ = try root.attribute("compound") }.contains("type compound, which is not read"))
    }

    /// Every attribute is there, with its value or the reason why it has none: nothing is cut, nothing is passed over.
    @Test func strangeAttributesAreNamed() throws {
        let file = repositoryFolder + "/Tests/Fixtures/hdf5/others/attributes.h5"
        let found = try HDF5File.open(file).root.foundAttributes()
        let expected: [String: AttributeValue] = [
            "caf\\xE9": .integer(7), "latin1": .string("caf\\xE9"), "spaces": .string("one two"),
            "ended": .string("one"), "texts": .strings(["a", "b"]), "no_texts": .strings([]), "committed": .integer(5),
            "flags": .integers([1, 0]), "count": .string("a hundred"), "format_version": .integer(9),
        ]
        let reasons = [
            "colour": "the type enumeration", "format": "the type compound", "kind": "a null data space",
            "largest": "[18446744073709551615] is beyond", "link": "the type reference",
            "nul": "a NUL character inside",
        ]
        #expect(Set(found.map(\.name)) == Set(expected.keys).union(reasons.keys))
        for attribute in found {
            switch attribute.value {
            case .success(let value): #expect(value == expected[attribute.name], "\(attribute.name)")
            case .failure(let error):
                #expect("\(error)".contains(try #require(reasons[attribute.name])), "\(attribute.name): \(error)")
            }
        }
    }

    /// What follows a NUL that is no padding would be lost.
    @Test func paddedTextIsNotCut() throws {
        let folder = repositoryFolder + "/Tests/Fixtures/hdf5/others/"
        let names = try HDF5File.open(folder + "nul_name.h5").root.dataset("label_names")
        #expect(reason { _ = try names.readStrings() }.contains("a text with a NUL character inside"))
        let padded = try HDF5File.open(folder + "small.h5").root.dataset("label_names")
        #expect(try padded.readStrings() == ["caf\\xE9", "dog"])
    }

    @Test func dangerousDataSetsAreRefused() throws {
        func opening(_ name: String) -> String { reason { _ = try root.dataset(name) } }
        #expect(opening("elsewhere").contains("elsewhere is a link into another file, which is not followed"))
        #expect(opening("through_group/x").contains("through_group is a link into another file"))
        #expect(reason { _ = try root.group("through_group") }.contains("a link into another file"))
        #expect(opening("virtual").contains("virtual data set"))
        #expect(opening("lzf").contains("filter 32000 (lzf)") && !opening("lzf").contains("h5repack"))
        #expect(opening("overflow").contains("impossible shape [1099511627776, 1099511627776]"))
        #expect(opening("null").contains("null data space"))
        #expect(opening("dangling").contains("cannot open the data set /dangling"))
        #expect(opening("loop").contains("cannot open the data set /loop"))
        #expect(opening("absent") == "\(foreign) has no data set /absent")
        #expect(reason { _ = try root.group("int16") } == "/int16 in \(foreign) is a data set, not a group")
        #expect(!root.contains("elsewhere") && !root.contains("dangling") && !root.contains("loop"))
        let claim = try root.dataset("claim")
        #expect(claim.shape == [1 << 40])
        #expect(reason { _ = try claim.read(as: UInt8.self) }.contains("claims 1099511627776 elements, which 0 bytes"))
    }
}
