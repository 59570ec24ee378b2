import Foundation
import DataSets
import TestSupport
import Testing

/// Exif orientation in every form that TIFF allows, and what is none.
@Suite struct OrientationTests {
    /// TIFF data with one entry, tag 0x0112.
    private func tiff(littleEndian: Bool, type: Int, count: Int = 1, value: [UInt8]) -> [UInt8] {
        func number(_ value: Int, _ bytes: Int) -> [UInt8] {
            let big = (0..<bytes).reversed().map { UInt8(truncatingIfNeeded: value >> (8 * $0)) }
            return littleEndian ? big.reversed() : big
        }
        let mark: [UInt8] = littleEndian ? [0x49, 0x49] : [0x4D, 0x4D]
        let entry = number(0x0112, 2) + number(type, 2) + number(count, 4) + (value + [0, 0, 0, 0]).prefix(4)
        return mark + number(42, 2) + number(8, 4) + number(1, 2) + entry + number(0, 4)
    }

    /// The grey JPEG of 32×16 with other Exif data than its own.
    private func jpeg(_ tiff: [UInt8]) throws -> [UInt8] {
        let bytes = try Samples.bytes(Samples.jpegTurned)
        let place = try #require(bytes.indices.first { bytes[$0...].starts(with: [0xFF, 0xE1]) })
        let length = Int(bytes[place + 2]) << 8 | Int(bytes[place + 3])
        let segment = [0x45, 0x78, 0x69, 0x66, 0, 0] + tiff
        let size = segment.count + 2
        return bytes[..<place] + [0xFF, 0xE1, UInt8(size >> 8), UInt8(size & 255)] + segment
            + bytes[(place + 2 + length)...]
    }

    private func png(_ tiff: [UInt8]) throws -> [UInt8] {
        let bytes = try PNG.encode([10, 20], height: 1, width: 2, channels: 1)
        func big(_ value: UInt32) -> [UInt8] { (0..<4).reversed().map { UInt8(truncatingIfNeeded: value >> (8 * $0)) } }
        let body = Array("eXIf".utf8) + tiff
        var sum: UInt32 = ~0
        for byte in body {
            sum ^= UInt32(byte)
            for _ in 0..<8 { sum = sum & 1 == 1 ? sum >> 1 ^ 0xEDB8_8320 : sum >> 1 }
        }
        // Behind the header: signature 8, length 4, type 4, data 13, check sum 4.
        return bytes[..<33] + big(UInt32(tiff.count)) + body + big(~sum) + bytes[33...]
    }

    /// What preparing so many copies of the file says about them.
    private func remarks(_ bytes: [UInt8], copies: Int = 1) throws -> [PreparationNote] {
        try withTemporaryDirectory { folder in
            #expect(mkdir(folder + "/in", 0o777) == 0)
            for name in ["a"] + (1..<copies).map({ "b\($0)" }) {
                try Data(bytes).write(to: URL(fileURLWithPath: folder + "/in/" + name))
            }
            let provenance = Provenance(source: "a", command: "b", tool: "c")
            var notes: [PreparationNote] = []
            _ = try Preparation(output: folder + "/a.h5", provenance: provenance)
                .images(folder: folder + "/in", .test(size: 4, channels: 1, strict: true)) { notes.append($0) }
            return notes
        }
    }

    @Test(arguments: [true, false])
    func everyIntegerIsRead(littleEndian: Bool) throws {
        let turned = try RasterImage.decode(Samples.bytes(Samples.jpegTurned))
        #expect(turned.height > turned.width)
        for (type, width) in [(1, 1), (3, 2), (4, 4), (6, 1), (8, 2), (9, 4)] {
            let zeros = [UInt8](repeating: 0, count: width - 1)
            // What stands behind a short value means nothing.
            let value = (littleEndian ? [6] + zeros : zeros + [6]) + [7, 7, 7]
            let data = tiff(littleEndian: littleEndian, type: type, value: value)
            #expect(try RasterImage.decode(jpeg(data)) == turned, "type \(type)")
            let picture = try RasterImage.decode(png(data))
            #expect(picture.height == 2 && picture.pixels == [10, 20], "type \(type)")
            #expect(try remarks(jpeg(data)).isEmpty)
        }
    }

    /// Of many only some are named, and the rest counted.
    @Test func manyAreCounted() throws {
        let notes = try remarks(jpeg(tiff(littleEndian: true, type: 3, value: [0])), copies: 25)
        #expect(notes.count == 21)
        guard case .warning(let line)? = notes.last else { Issue.record("\(notes)"); return }
        #expect(line.contains(": 5 further images have Exif data that are not understood"), "\(line)")
    }

    @Test func whatIsNotUnderstoodIsNamed() throws {
        let cases: [([UInt8], String)] = [
            (tiff(littleEndian: true, type: 3, value: [9]), "orientation is 9, not one of 1…8"),
            (tiff(littleEndian: false, type: 3, value: [0, 0]), "orientation is 0, not one of 1…8"),
            (tiff(littleEndian: true, type: 2, count: 2, value: [0x36, 0]), "orientation is 2 values of type 2"),
            (tiff(littleEndian: true, type: 3, count: 2, value: [6, 0, 6, 0]), "orientation is 2 values of type 3"),
            (Array(tiff(littleEndian: true, type: 3, value: [6]).dropLast(8)), "data are cut off"),
            ([1, 2, 3, 4, 5, 6, 7, 8], "data are damaged"),
        ]
        for (data, words) in cases {
            for file in [try jpeg(data), try png(data)] {
                let notes = try remarks(file)
                guard notes.count == 1, case .warning(let line) = notes[0] else { Issue.record("\(notes)"); continue }
                #expect(line.contains("/in/a: its Exif \(words)") && line.hasSuffix("taken as stored"), "\(line)")
            }
            #expect(try RasterImage.decode(jpeg(data)).width == 32)
        }
    }
}
