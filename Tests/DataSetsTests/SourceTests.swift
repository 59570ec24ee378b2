import Foundation
import DataSets
import TestSupport
import Testing

/// What data sets are made from: IDX files, text, mixtures.
@Suite struct SourceTests {
    let idx: [UInt8] = [0, 0, 8, 3, 0, 0, 0, 2, 0, 0, 0, 1, 0, 0, 0, 3, 10, 11, 12, 13, 14, 15]

    @Test func idxIsRead() throws {
        let array = try IDXArray(bytes: idx, name: "a")
        #expect(array.dimensions == [2, 1, 3])
        #expect(array.values == [10, 11, 12, 13, 14, 15])
    }

    @Test func gzippedIdxIsRead() throws {
        try withTemporaryDirectory { folder in
            let path = folder + "/a.idx"
            try Data(idx).write(to: URL(fileURLWithPath: path))
            #expect(try run(["gzip", path], timeout: 30).status == 0)
            #expect(try IDXArray(path: path + ".gz") == IDXArray(bytes: idx, name: "a"))
            let packed = try [UInt8](Data(contentsOf: URL(fileURLWithPath: path + ".gz")))
            for length in 2..<packed.count {
                #expect(throws: DataSetError.self) { try IDXArray(bytes: Array(packed[..<length]), name: "a") }
            }
            // Two members, one after the other, are one file.
            #expect { try IDXArray(bytes: packed + packed, name: "a") } throws: { "\($0)".contains("holds more than") }
        }
    }

    @Test(arguments: [
        ([1, 0, 8, 3], "not an IDX file"), ([0, 0, 0x0D, 1, 0, 0, 0, 1], "type 0xd"), ([0, 0, 8], "not an IDX file"),
        ([0, 0, 8, 3, 0, 0, 0, 2], "cut off"), ([0, 0, 8, 0], "cut off"),
        ([0, 0, 8, 1, 0, 0, 0, 3, 1, 2], "means 3 bytes, but 2 follow"),
        ([0, 0, 8, 1, 0, 0, 0, 1, 1, 2], "means 1 bytes, but 2 follow"),
        ([0, 0, 8, 1, 0, 0, 0, 0], "make no sense"),
        ([0, 0, 8, 3] + Array(repeating: 255, count: 12) + [1], "make no sense"),
    ]) func badIdxIsExplained(bytes: [UInt8], words: String) {
        #expect { try IDXArray(bytes: bytes, name: "a.idx") } throws: { error in
            "\(error)".contains(words) && "\(error)".hasPrefix("a.idx: ")
        }
    }

    @Test func pointsAreRead() throws {
        let text = "# two columns\n1 2\n\n-3.5,4e-1 # inline\r\n\t5 , 6\n"
        let points = try PointText(bytes: Array(text.utf8), name: "p")
        #expect(points.count == 3 && points.dimension == 2)
        #expect(points.values == [1, 2, -3.5, 0.4, 5, 6])
    }

    @Test(arguments: [
        ("1 2\n3\n", "p:2: 1 numbers, the points before it have 2"), ("1 2\n\n# c\n3 x\n", "p:4: \"x\" is not"),
        ("1,,2\n", "p:1: a number is missing"), ("1,2,\n", "p:1: a number is missing"),
        ("1 nan\n", "p:1: \"nan\" is not a finite"), ("1 1e99\n", "p:1: \"1e99\" is not a finite"),
        ("\n# nothing\n", "p: holds no points"), ("1\u{0} 2\n", "p:1: "), ("1 2\n\u{FF}\u{FE}\n", "p:2: "),
    ]) func badPointsAreExplainedWithTheirLine(text: String, words: String) {
        #expect { try PointText(bytes: Array(text.utf8), name: "p") } throws: { "\($0)".hasPrefix(words) }
    }

    /// Share, mean and covariance of every Gaussian in a draw, each within 4.5 standard errors, over 150 comparisons.
    @Test func gridIsDrawnFromItsMixture() {
        let grid = GaussianGrid(side: 5, spacing: 2, deviation: 0.25, seed: 7)
        let n = 20_000
        let (points, labels) = grid.draw(0..<n)
        // Of each Gaussian: number, sums of x, y, x², y², xy around its mean.
        var sums = [[Double]](repeating: Array(repeating: 0, count: 6), count: grid.components)
        for i in 0..<n {
            let k = Int(labels[i])
            let x = Double(points[2 * i]) - grid.means[2 * k]
            let y = Double(points[2 * i + 1]) - grid.means[2 * k + 1]
            for (j, term) in [1, x, y, x * x, y * y, x * y].enumerated() { sums[k][j] += term }
        }
        let expected = Double(n) / 25
        for sum in sums {
            let count = sum[0]
            let moments = sum.map { $0 / count }
            #expect(abs(count - expected) < 4.5 * (expected * 0.96).squareRoot())
            for axis in 0..<2 {
                #expect(abs(moments[1 + axis]) < 4.5 * 0.25 / count.squareRoot())
                #expect(abs(moments[3 + axis] - 0.0625) < 4.5 * 0.0625 * (2 / count).squareRoot())
            }
            #expect(abs(moments[5]) < 4.5 * 0.0625 / count.squareRoot())
        }
    }

    @Test func gridStatesItsMixture() {
        let grid = GaussianGrid(side: 3, deviation: 0.5)
        #expect(grid.weights == Array(repeating: 1.0 / 9, count: 9))
        #expect(grid.means == [-1, -1, 0, -1, 1, -1, -1, 0, 0, 0, 1, 0, -1, 1, 0, 1, 1, 1])
        #expect(Array(grid.covariances[..<8]) == [0.25, 0, 0, 0.25, 0.25, 0, 0, 0.25])
        #expect(GaussianGrid(side: 1).means == [0, 0])
    }

    @Test func gridPiecesJoinUp() {
        let grid = GaussianGrid(side: 7)
        let (first, second, whole) = (grid.draw(0..<10), grid.draw(10..<25), grid.draw(0..<25))
        #expect(first.points + second.points == whole.points)
        #expect(first.labels + second.labels == whole.labels)
        #expect(GaussianGrid(side: 7, seed: 1).draw(0..<25).points != whole.points)
    }
}
