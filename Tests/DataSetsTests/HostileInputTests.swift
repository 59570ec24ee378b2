import Foundation
import DataSets
import TestSupport
import Testing

/// Raw files made to do harm: bombs, pipes, devices, loops.
@Suite struct HostileInputTests {
    private func gzip(_ bytes: [UInt8], in folder: String) throws -> [UInt8] {
        try Data(bytes).write(to: URL(fileURLWithPath: folder + "/plain"))
        _ = try run(["gzip", "-9", "-f", folder + "/plain"], timeout: 60)
        return try [UInt8](Data(contentsOf: URL(fileURLWithPath: folder + "/plain.gz")))
    }

    /// 64 MiB of zeros in 64 KiB behind a header that speaks of 784 bytes: only those are taken out.
    @Test func aGzipBombIsCutOff() throws {
        try withTemporaryDirectory { folder in
            let header: [UInt8] = [0, 0, 8, 3, 0, 0, 0, 1, 0, 0, 0, 28, 0, 0, 0, 28]
            let bomb = try gzip(header + [UInt8](repeating: 0, count: 64 << 20), in: folder)
            #expect(bomb.count < 1 << 17)
            #expect { try IDXArray(bytes: bomb, name: "bomb.gz") } throws: {
                "\($0)".contains("holds more than \(16 + 784) bytes")
            }
            let liar = try gzip([0, 0, 8, 1, 0x7F, 0xFF, 0xFF, 0xFF, 1], in: folder)
            #expect { try IDXArray(bytes: liar, name: "liar.gz") } throws: { "\($0)".contains("cannot come out of") }
        }
    }

    @Test func everyTruncationOfAGzipFileIsAnError() throws {
        try withTemporaryDirectory { folder in
            let whole = try gzip([0, 0, 8, 1, 0, 0, 0, 200] + (0..<200).map { UInt8($0) }, in: folder)
            #expect(try IDXArray(bytes: whole, name: "a").values.count == 200)
            for length in 0..<whole.count {
                #expect(throws: DataSetError.self) { try IDXArray(bytes: Array(whole[..<length]), name: "a") }
            }
        }
    }

    /// A pipe would be waited for forever, a device read forever.
    @Test func pipesAndDevicesAreNotRead() throws {
        try withTemporaryDirectory { folder in
            #expect(mkfifo(folder + "/pipe.png", 0o600) == 0)
            try FileManager.default.createSymbolicLink(atPath: folder + "/zero.png", withDestinationPath: "/dev/zero")
            try FileManager.default.createSymbolicLink(atPath: folder + "/loop", withDestinationPath: folder)
            try FileManager.default.createSymbolicLink(atPath: folder + "/self", withDestinationPath: "self")
            let images = try ImageFolder(path: folder)
            #expect(images.files.isEmpty)
            let reasons = ["leads to the folder itself", "pipe or device", "Too many levels", "pipe or device"]
            #expect(images.skipped.map { "\($0.path)" } == ["loop", "pipe.png", "self", "zero.png"])
            for (skipped, reason) in zip(images.skipped, reasons) { #expect(skipped.reason.contains(reason)) }
            for path in ["/pipe.png", "/zero.png"].map({ folder + $0 }) {
                #expect { try IDXArray(path: path) } throws: { "\($0)".contains("pipe or device") }
                #expect { try PointText(path: path) } throws: { "\($0)".contains("pipe or device") }
                #expect { try DataSet(path: path) } throws: { "\($0)".contains("is not a regular file") }
            }
        }
    }

    /// A JPEG of 128 bytes whose header speaks of 16384×16384 pixels, and one that is coded in a way not read.
    @Test func jpegHeadersAreHeldAgainstTheFile() throws {
        var bytes = try Samples.bytes(Samples.jpegGrey)
        let frame = try #require(bytes.indices.first { bytes[$0...].starts(with: [0xFF, 0xC0]) })
        bytes.replaceSubrange(frame + 5..<frame + 9, with: [0x40, 0, 0x40, 0])
        #expect { try RasterImage.decode(bytes) } throws: { "\($0)".contains("too short for its dimensions") }
        var coded = try Samples.bytes(Samples.jpegGrey)
        coded[frame + 1] = 0xC9
        #expect { try RasterImage.decode(coded) } throws: { "\($0)".contains("arithmetic coding is not read") }
    }

    /// 100 scans are decoded, one more is not: all but the first ones bring the same coefficients once more, which the
    /// decoder has nothing against.
    @Test func scansAreCounted() throws {
        let bytes = try Samples.bytes(Samples.jpegProgressive)
        let scans = bytes.indices.filter { bytes[$0...].starts(with: [0xFF, 0xDA]) }
        let first = try #require(scans.first)
        // Up to the next marker; FF 00 is a byte of the data.
        let end = try #require(bytes.indices.first { $0 > first && bytes[$0] == 0xFF && bytes[$0 + 1] != 0 })
        var whole = Array(bytes[first..<end])
        let length = Int(whole[2]) << 8 + Int(whole[3])
        #expect(scans.count > 2 && whole[length + 1] == 0x01, "the first bits of the averages, but for the lowest")
        whole[length + 1] = 0  // now all bits at once, which can be said again and again
        func decode(scans wanted: Int) throws -> RasterImage {
            let again = Array(repeating: whole, count: wanted - scans.count).joined()
            return try RasterImage.decode(bytes.dropLast(2) + again + [0xFF, 0xD9])
        }
        #expect(try decode(scans: 100) == decode(scans: 99))
        #expect { try decode(scans: 101) } throws: { "\($0)".contains("JPEG: more than 100 scans") }
    }
}
