import DataSets
import HDF5
import TestSupport
import Testing

/// Labels as the classes of a classifier.
@Suite struct ClassLabelTests {
    private func set(_ labels: [Int32]?, names: [String]? = nil, in folder: String) throws -> DataSet {
        let path = folder + "/set.h5"
        let file = try HDF5File.create(path)
        try file.root.write([Float](repeating: 0.5, count: 8), shape: [4, 2], to: "points")
        if let labels { try file.root.write(labels, shape: [labels.count], to: "labels") }
        if let names { try file.root.writeStrings(names, to: "label_names") }
        try file.close()
        return try DataSet(path: path)
    }

    private func complaint(_ labels: [Int32]?, count: Int = 0) throws -> String {
        try withTemporaryDirectory { folder in
            let set = try set(labels, in: folder)
            do {
                _ = try set.classLabels(count: count)
                return "(accepted)"
            } catch { return "\(error)".replacing(folder, with: "") }
        }
    }

    @Test func labelsAreCounted() throws {
        try withTemporaryDirectory { folder in
            let plain = try set([2, 0, 2, 0], in: folder).classLabels()
            #expect(plain.values == [2, 0, 2, 0] && plain.count == 3 && plain.names == nil && plain.name(2) == "2")
        }
        try withTemporaryDirectory { folder in
            let named = try set([2, 0, 2, 0], names: ["a", "b", "c", "d"], in: folder)
            let classes = try named.classLabels()
            #expect(classes.count == 4 && classes.name(3) == "d")
            #expect(try named.classLabels(count: 9).names == nil)
            #expect(try named.classLabels(count: 9).fingerprint == classes.fingerprint)
        }
        try withTemporaryDirectory { folder in
            let other = try set([2, 0, 0, 2], in: folder).classLabels()
            // SHA-256 of four 32-bit integers, least byte first, by Python's hashlib.
            #expect(other.fingerprint == "de12291161ee8c55166f4ee15e02c3039abbcbeb49d0c7ad7b9e9b8e6bc2f7ee")
        }
    }

    @Test func whatAreNoClassesIsRefused() throws {
        #expect(try complaint(nil).hasPrefix("/set.h5: has no labels, by which classes are learned and tested"))
        let range = "/set.h5: the label of sample 1 is 5; with 3 classes labels are wanted in 0 ... 2"
        #expect(try complaint([0, 5, 1, 1], count: 3) == range + ", or model.classes=6")
        #expect(try complaint([0, -1, 1, 1], count: 2).hasSuffix("labels are wanted in 0 ... 1"))
        #expect(try complaint([0, 1, -1, 1]).contains("the label of sample 2 is -1; with 2 classes"))
        #expect(try complaint([0, 0, 0, 0]).contains("has labels of 1 class; a classifier tells 2 to 65536 apart"))
        #expect(try complaint([0, 0, 0, 70_000]).contains("has labels of 70001 classes"))
    }

    /// Shards count as one set.
    @Test func shards() throws {
        try withTemporaryDirectory { folder in
            let output = folder + "/set.json"
            let preparation = Preparation(
                output: output, provenance: Provenance(source: "test", command: "test", tool: "test"), shardSize: 7)
            try preparation.points(drawnFrom: GaussianGrid(side: 2), count: 20)
            let classes = try DataSet(path: output).classLabels()
            let labels = try DataSet(path: output).labels()
            #expect(classes.values.map(Int.init) == labels && classes.values.count == 20)
        }
    }
}
