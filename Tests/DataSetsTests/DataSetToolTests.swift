import Arrays
import DataSets
import Foundation
import TestSupport
import Testing

/// `smd dataset merge`, `split`, `subset`, `shuffle`, `convert`, `export`, `diff` and `stats`.
@Suite struct DataSetToolTests {
    private func job(_ output: String, shardSize: Int? = nil) -> Preparation {
        Preparation(
            output: output, provenance: Provenance(source: "a", command: "b", tool: "c"), shardSize: shardSize)
    }

    /// A folder of 1×1 images, a sub-folder a label: label → grey values.
    private func makeSet(_ path: String, _ images: [String: [UInt8]]) throws -> DataSet {
        for (label, values) in images {
            let folder = "\(path).in/\(label)"
            try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
            for (place, value) in values.enumerated() {
                try PNG.write([value], height: 1, width: 1, channels: 1, to: "\(folder)/\(place).png")
            }
        }
        _ = try job(path).images(folder: path + ".in", .test(size: 1, channels: 1))
        return try DataSet(path: path)
    }

    private func values(_ set: DataSet) throws -> [UInt8] { try (0..<set.count).map { try set.pixels($0)[0] } }

    @Test func mergedLabelsAreNumberedAnew() throws {
        try withTemporaryDirectory { folder in
            let one = try makeSet(folder + "/a.h5", ["cat": [1, 2], "dog": [3]])
            let two = try makeSet(folder + "/b.h5", ["ant": [4], "dog": [5]])
            try SampleSelection([one, two]).write(job(folder + "/c.h5"))
            let merged = try DataSet(path: folder + "/c.h5")
            #expect(try values(merged) == [1, 2, 3, 4, 5])
            #expect(try merged.labels() == [0, 0, 1, 2, 1] && merged.labelNames() == ["cat", "dog", "ant"])
            #expect(try DataSetInfo(path: folder + "/c.h5").origin(of: 4)?.name == "dog/0.png")
            #expect(try DataSetInfo(path: folder + "/c.h5").summary.contains { $0 == ("filter", "triangle") })
            let points = Preparation(
                output: folder + "/p.h5", provenance: Provenance(source: "a", command: "b", tool: "c"))
            try points.points(drawnFrom: GaussianGrid(side: 2, deviation: 0.1, seed: 1), count: 10)
            #expect { try SampleSelection([one, DataSet(path: folder + "/p.h5")]) } throws: {
                "\($0)".contains("holds 2-dimensional points")
            }
            // A selection of points keeps their distribution.
            let set = try DataSet(path: folder + "/p.h5")
            try SampleSelection([set]).write(job(folder + "/q.h5"))
            #expect(try DataSet(path: folder + "/q.h5").distribution() == set.distribution())
        }
    }

    @Test func partsAreDisjointAndKeepTheShares() throws {
        try withTemporaryDirectory { folder in
            let set = try makeSet(folder + "/a.h5", ["x": Array(0..<60), "y": Array(100..<140)])
            let selection = try SampleSelection([set])
            let (rest, held) = selection.split(fraction: 0.25, labels: try set.labels(), seed: 3)
            let chosen = held.places.map(\.sample)
            #expect(chosen.count == 25 && chosen.filter { $0 < 60 }.count == 15 && chosen == chosen.sorted())
            #expect((chosen + rest.places.map(\.sample)).sorted() == Array(0..<100))
            #expect(selection.split(fraction: 0.25, labels: nil, seed: 4).held.places.map(\.sample) != chosen)
            // One sample of a label stays.
            #expect(selection.split(fraction: 0.999, labels: try set.labels(), seed: 0).rest.places.count == 2)

            var shuffled = selection
            shuffled.shuffle(seed: 1)
            try shuffled.write(job(folder + "/s.h5", shardSize: nil))
            let other = try DataSet(path: folder + "/s.h5")
            let found = try DataSetComparison(set, other) { _, _ in }
            #expect(found.isReordered && !found.isSame && found.relabelled.isEmpty)
            #expect(try values(other).sorted() == values(set).sorted())
            try selection.write(job(folder + "/t.json", shardSize: 30))
            let sharded = try DataSet(path: folder + "/t.json")
            #expect(sharded.fingerprint == set.fingerprint)
            #expect(try DataSetInfo(path: folder + "/t.json").fingerprint == set.fingerprint)
            #expect(try DataSetComparison(set, sharded) { _, _ in }.isSame)
        }
    }

    @Test func differencesAreFound() throws {
        try withTemporaryDirectory { folder in
            let one = try makeSet(folder + "/a.h5", ["x": [1, 2, 2], "y": [3]])
            let two = try makeSet(folder + "/b.h5", ["x": [1, 2, 5], "z": [3]])
            let found = try DataSetComparison(one, two) { _, _ in }
            #expect(found.changed == [2] && found.onlyInFirst == [2] && found.onlyInSecond == [2])
            #expect(found.relabelled == [3] && !found.isSame && !found.isReordered)
        }
    }

    @Test func statisticsAreThoseOfTheValues() throws {
        try withTemporaryDirectory { folder in
            let found = try DataSetStatistics(
                makeSet(folder + "/a.h5", ["x": [1, 2, 2], "y": [3]])
            ) { _, _ in }
            #expect(found.channels[0].mean == 2 && found.channels[0].deviation == 0.5.squareRoot())
            #expect(found.channels[0].minimum == 1 && found.channels[0].maximum == 3)
            #expect(found.classes?.map(\.count) == [3, 1] && found.duplicates == [[2, 1]])
            #expect(found.nearConstantCount == 4 && found.means.map { $0[0] } == [5.0 / 3, 3])
        }
    }

    @Test func exportsComeBack() throws {
        try withTemporaryDirectory { folder in
            let set = try makeSet(folder + "/a.h5", ["x": [1, 2], "y": [3]])
            for output in ["/out", "/out.zip", "/out.npz"] {
                let export = try set.export(to: folder + output)
                try export.check(overwrite: false)
                try export.write(overwrite: false) { _, _ in }
                #expect { try export.check(overwrite: false) } throws: { _ in true }
            }
            let rules = ImageRules.test(size: 1, channels: 1)
            _ = try job(folder + "/b.h5").images(folder: folder + "/out", rules)
            _ = try job(folder + "/c.h5").images(archive: folder + "/out.zip", rules)
            var array = PixelArrayRules()
            (array.labels, array.layout) = ("arr_1", .channelsLast)
            _ = try job(folder + "/d.h5").images(
                from: NumPyImages(path: folder + "/out.npz", member: "arr_0", array), rules)
            for name in ["/b.h5", "/c.h5", "/d.h5"] {
                #expect(try DataSetComparison(set, DataSet(path: folder + name)) { _, _ in }.isSame, "\(name)")
            }
            let names = try FileManager.default.contentsOfDirectory(atPath: folder + "/out").sorted()
            #expect(names == ["00000", "dataset.json"])
        }
    }
}
