import Foundation
import HDF5
import TestSupport
import Testing

private func reason(_ body: () throws -> Void) -> String {
    do {
        try body()
        return "no error"
    } catch { return "\(error)" }
}

/// What a file may claim and what is done about it. `Tests/Fixtures/hdf5/README.md` tells how each file was made.
@Suite struct HostileFileTests {
    private func open(_ name: String) throws -> HDF5File {
        try HDF5File.open(repositoryFolder + "/Tests/Fixtures/hdf5/\(name).h5")
    }

    @Test func onlyHardLinksAreFollowed() throws {
        let root = try open("hostile").root
        #expect(try root.dataset("good").read(as: Int32.self) == [1, 2, 3])
        #expect(reason { _ = try root.dataset("soft") }.contains("soft is a soft link, which is not followed"))
        #expect(reason { _ = try root.dataset("way/x") }.contains("way is a soft link"))
        #expect(reason { _ = try root.group("way") }.contains("way is a soft link"))
        #expect(!root.contains("soft") && !root.isGroup("way"))
        // A group that contains itself: as deep as the caller goes, and no deeper.
        #expect(try root.group("ring/again/again/again").names() == ["again", "x"])
        #expect(reason { _ = try root.dataset("outside") }.contains("outside is a link into another file"))
    }

    @Test func dataInOtherFilesIsRefused() throws {
        let root = try open("hostile").root
        #expect(reason { _ = try root.dataset("external") }.contains("its data are in other files"))
        #expect(reason { _ = try root.dataset("virtual") }.contains("virtual data set"))
    }

    @Test(arguments: [
        ("vlen", "variable-length list"), ("reference", "reference"), ("compound", "compound"), ("opaque", "opaque"),
        ("array", "array"), ("bits", "bit field"), ("odd_integer", "integers of an unusual width or layout"),
        ("wide_integer", "integers of an unusual width or layout"), ("odd_float", "floats of an unusual layout"),
        ("enumeration", "enumeration"),
    ]) func onlyPlainNumbersAreRead(name: String, type: String) throws {
        let dataset = try open("hostile").root.dataset(name)
        #expect(!dataset.isNumeric && dataset.elementType == .other(type))
        #expect(reason { _ = try dataset.read(as: Int64.self) }.contains("\(type) elements, which are not numbers"))
        #expect(reason { _ = try dataset.readStrings() }.contains("which are not text"))
    }

    @Test(arguments: ["nbit", "scaleoffset", "unknown_filter"])
    func onlyKnownFiltersAreRun(name: String) throws {
        let message = reason { _ = try open("hostile").root.dataset(name) }
        #expect(message.contains("only gzip (deflate), shuffle and fletcher32 are read"), "\(message)")
    }

    /// The file is a few KiB; memory for what it claims is never asked for.
    @Test(arguments: ["contiguous", "chunked", "compressed", "huge_chunk", "texts", "wide_text"])
    func claimsAreHeldAgainstTheFile(name: String) throws {
        let file = try open("claims")
        #expect(try #require(file.byteCount) < 100_000)
        let message = reason {
            let dataset = try file.root.dataset(name)
            if dataset.elementType == .string {
                _ = try dataset.readStrings()
            } else {
                _ = try dataset.read(as: UInt8.self)
            }
        }
        #expect(message.contains("cannot hold") || message.contains("at most 16 MiB of text"), "\(message)")
    }

    @Test func attributesAndMembersAreCapped() throws {
        try withTemporaryDirectory { folder in
            let file = try HDF5File.createForSWMR(folder + "/crowd.h5")
            let many = try file.root.createGroup("many")
            for index in 0...65536 { _ = try many.createGroup("\(index)") }
            try file.root.setAttribute("most", .integers(Array(repeating: 7, count: 1 << 20)))
            try file.root.setAttribute("numbers", .integers(Array(repeating: 7, count: 1 << 20 + 1)))
            try file.root.setAttribute("text", .string(String(repeating: "x", count: 16 << 20)))
            try file.close()
            let root = try HDF5File.open(folder + "/crowd.h5").root
            #expect(reason { _ = try root.attribute("most") } == "no error")
            #expect(reason { _ = try root.attribute("numbers") }.contains("attributes of at most 1048576 are read"))
            #expect(reason { _ = try root.attribute("text") }.contains("more than 16 MiB of text"))
            #expect(reason { _ = try root.group("many").names() }.contains("more than 65536 members"))
        }
    }
}
