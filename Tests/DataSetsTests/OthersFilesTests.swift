import Foundation
import HDF5
import DataSets
import TestSupport
import Testing

/// HDF5 files of other people (`Tests/Fixtures/hdf5/others`) have names in common with ours, and mean other things.
@Suite struct OthersFilesTests {
    private func facts(_ path: String) throws -> [String] {
        try DataSet.tryReading(path: path)
        return try DataSet(path: path).summary().map { "\($0.name): \($0.value)" }
    }

    private func others(_ name: String) -> String { repositoryFolder + "/Tests/Fixtures/hdf5/others/\(name).h5" }

    /// Writes a file with four images, and more.
    @discardableResult private func withFile<T>(_ fill: (HDF5Group) throws -> Void, _ body: (String) throws -> T) throws
        -> T
    {
        try withTemporaryDirectory { folder in
            let file = try HDF5File.create(folder + "/a.h5")
            try file.root.write([UInt8](0..<64), shape: [4, 4, 4, 1], to: "images")
            try fill(file.root)
            try file.close()
            return try body(folder + "/a.h5")
        }
    }

    @Test func attributesOfOthersAreTheirs() throws {
        let found = try facts(others("attributes"))
        #expect(found.contains("samples: 4") && found.contains("attribute count: a hundred"))
        #expect(found.contains("attribute format: not read: it has the type compound, which is not read"))
        #expect(found.contains("attribute caf\\xE9: 7") && found.contains("attribute texts: [\"a\", \"b\"]"))
        #expect(found.contains("attribute /images sha256: abc"))
        #expect(found.contains { $0.hasPrefix("not used: the attribute sha256 of /images") })
        let report = try DataSet.verify(path: others("attributes"))
        #expect(report.contains { $0.hasPrefix("not used: the attribute sha256 of /images") })
        #expect(report.contains("no SHA-256 is stored with the samples to compare with"))
        try withFile {
            try $0.setAttribute("count", .integer(100))
            try $0.setAttribute("kind", .string("photographs"))
            try $0.setAttribute("format_version", .integer(7))
            try $0.setAttribute("format", .string("smd data set of mine"))
            try $0.dataset("images").setAttribute("sha256", .string("abc"))
        } _: { path in
            let found = try facts(path)
            #expect(found.contains("attribute count: 100") && found.contains("attribute kind: photographs"))
        }
    }

    @Test(
        arguments: [
            ("small", "labels: 2 classes (caf\\xE9: 2, dog: 2)", nil),
            ("half", "labels: 3 classes (0: 1, 1: 2, 2: 1)", nil),
            ("large", "labels: 4 classes (0: 1, 1: 1, 2: 1, 3000000000: 1)", nil),
            ("boolean", "labels: 2 classes (no: 1, yes: 3)", nil),
            ("from_one", "labels: 3 classes (1: 1, 2: 1, 3: 2)", "names the labels below 3, but /labels holds 3"),
            ("nul_name", "labels: 2 classes (0: 2, 1: 2)", "a text with a NUL character inside"),
            ("uint64", nil, "/labels holds numbers of 9223372036854775807 or more"),
            ("text", nil, "/labels is string, not integers"), ("null", nil, "a null data space"),
            ("colour", nil, "/labels is enumeration, not integers"), ("lzf", nil, "the filter 32000 (lzf)"),
            ("links", nil, "labels is a soft link, which is not followed"),
            ("links", nil, "label_names is a link into another file"),
        ] as [(String, String?, String?)])
    func labelsAreReadRightOrNamed(name: String, labels: String?, remark: String?) throws {
        let found = try facts(others(name))
        #expect(found.contains("samples: 4"))
        #expect(found.first { $0.hasPrefix("labels: ") } == labels, "\(found)")
        let remarks = found.filter { $0.hasPrefix("not used: ") }
        #expect(remarks.isEmpty == (remark == nil), "\(remarks)")
        if let remark { #expect(remarks.contains { $0.contains(remark) }, "\(remarks)") }
        let report = try DataSet.verify(path: others(name))
        #expect(report.filter { $0.hasPrefix("not used: ") } == remarks)
    }

    @Test func labelsOfOtherShapesAreNamed() throws {
        func remark(_ fill: (HDF5Group) throws -> Void) throws -> String {
            try withFile(fill) { path in
                try facts(path).filter { $0.hasPrefix("labels: ") || $0.hasPrefix("not used: ") }.joined(
                    separator: "; ")
            }
        }
        #expect(
            try remark { try $0.write([Int32](repeating: 0, count: 12), shape: [4, 3], to: "labels") }
                == "not used: /labels has the shape 4×3, one label for each of 4 samples is wanted")
        #expect(try remark { try $0.write([1.0, 2, 2.5, 0], shape: [4], to: "labels") }.contains("/labels holds 2.5"))
        #expect(try remark { try $0.write([1.0, 2, .nan, 0], shape: [4], to: "labels") }.contains("/labels holds nan"))
        #expect(
            try remark { try $0.write([-1, 2, 2, -1] as [Int64], shape: [4, 1], to: "labels") }
                == "labels: 2 classes (-1: 2, 2: 2)")
        #expect(try remark { _ = try $0.createGroup("labels") }.contains("is a group, not a data set"))
        #expect(
            try remark { try $0.writeStrings(["a", "b"], to: "label_names") }
                == "not used: /label_names names labels, of which there are none that can be used")
        #expect(
            try remark {
                try $0.write([0, 1, 2, 3] as [Int32], shape: [4], to: "labels")
                try $0.write([0, 1, 2, 3] as [Int64], shape: [4], to: "label_names")
            } == "labels: 4 classes (0: 1, 1: 1, 2: 1, 3: 1); not used: /label_names is int64, not text")
    }

    @Test func whyTheImagesThemselvesCannotBeReadIsSaid() throws {
        #expect { try DataSet(path: others("linked")) } throws: { "\($0)".contains("images is a soft link") }
        try withTemporaryDirectory { folder in
            let file = try HDF5File.create(folder + "/a.h5")
            try file.root.write([0.5, 1] as [Float], shape: [1, 2], to: "points")
            _ = try file.root.createGroup("images")
            try file.close()
            #expect(try DataSet(path: folder + "/a.h5").sample == .point(dimension: 2))
        }
    }

    /// In our own files the same is damage.
    @Test(arguments: [
        ("count", AttributeValue.string("four"), "its attribute 'count' is four, not an integer"),
        ("count", .integer(5), "says it has 5 samples"), ("count", .integers([4, 4]), "not an integer"),
        ("kind", .integer(1), "its attribute 'kind' is 1, not text"),
        ("kind", .string("sounds"), "a data set of sounds"),
        ("format_version", .integer(2), "format version 2"), ("format_version", .double(1), "not an integer"),
    ]) func oddAttributesOfOursAreDamage(name: String, value: AttributeValue, words: String) throws {
        try withFile {
            try $0.setAttribute("format", .string("smd data set"))
            try $0.setAttribute(name, value)
        } _: { path in
            #expect { try DataSet(path: path) } throws: { "\($0)".contains(words) && "\($0)".contains(path) }
        }
    }

    @Test func oddLabelsOfOursAreDamage() throws {
        func refusal(_ fill: (HDF5Group) throws -> Void) throws -> String {
            try withFile {
                try $0.setAttribute("format", .string("smd data set"))
                try fill($0)
            } _: { path in
                do {
                    return try facts(path).joined(separator: "; ")
                } catch {
                    return "\(error)"
                }
            }
        }
        #expect(try refusal { try $0.write([0.0, 1, 1, 0], shape: [4], to: "labels") }.contains("/labels is float64"))
        #expect(try refusal { try $0.write([0, 1] as [Int32], shape: [2], to: "labels") }.contains("has the shape 2"))
        #expect(try refusal { try $0.writeStrings(["a"], to: "label_names") }.contains("is damaged: /label_names"))
        let beyond = try refusal {
            try $0.write([0, 1, 1, 2] as [Int32], shape: [4], to: "labels")
            try $0.writeStrings(["a", "b"], to: "label_names")
        }
        #expect(beyond.contains("is damaged: /label_names names the labels below 2, but /labels holds 2"))
    }
}
