/// A file of TensorBoard: records as in TFRecord, each an `Event` message of protocol buffers (tensorflow's event.proto and
/// summary.proto), of which scalars need six fields.
package struct EventFile {
    package private(set) var bytes: [UInt8] = []

    /// A file that says its version and nothing else yet.
    package init() {
        var event = Message()
        event.append(3, bytes: Array("brain.Event:2".utf8))  // Event.file_version
        append(event)
    }

    /// Adds the values of a step.
    package mutating func append(step: Int, wallTime: Double, scalars: [(tag: String, value: Float)]) {
        var summary = Message()
        for (tag, value) in scalars {
            var entry = Message()
            entry.append(1, bytes: Array(tag.utf8))  // Summary.Value.tag
            entry.append(2, float: value)  // Summary.Value.simple_value
            summary.append(1, bytes: entry.bytes)  // Summary.value
        }
        var event = Message()
        event.append(1, double: wallTime)
        event.append(2, integer: UInt64(bitPattern: Int64(step)))  // Event.step
        event.append(5, bytes: summary.bytes)  // Event.summary
        append(event)
    }

    /// A record: length, its checksum, data, their checksum.
    private mutating func append(_ message: Message) {
        let length = littleEndian(UInt64(message.bytes.count))
        bytes += length + littleEndian(Self.maskedChecksum(length))
        bytes += message.bytes + littleEndian(Self.maskedChecksum(message.bytes))
    }

    /// CRC-32C, turned and moved so that data that hold checksums do not confuse it (TFRecord's format).
    static func maskedChecksum(_ bytes: [UInt8]) -> UInt32 {
        let checksum = crc32c(bytes)
        return (checksum >> 15 | checksum << 17) &+ 0xA282_EAD8
    }

    /// The checksum of Castagnoli et al. (1993), reflected, as in RFC 3720, appendix B.4.
    package static func crc32c(_ bytes: [UInt8]) -> UInt32 {
        ~bytes.reduce(~UInt32(0)) { table[Int(UInt8(truncatingIfNeeded: $0) ^ $1)] ^ $0 >> 8 }
    }

    private static let table: [UInt32] = (0..<256).map { index in
        (0..<8).reduce(UInt32(index)) { value, _ in value & 1 == 1 ? value >> 1 ^ 0x82F6_3B78 : value >> 1 }
    }
}

/// A message of protocol buffers in the wire format: each field a key (number and kind), then its value.
private struct Message {
    private(set) var bytes: [UInt8] = []

    private mutating func varint(_ value: UInt64) {
        var left = value
        while left >= 0x80 {
            bytes.append(UInt8(truncatingIfNeeded: left) | 0x80)
            left >>= 7
        }
        bytes.append(UInt8(left))
    }

    mutating func append(_ field: UInt64, integer: UInt64) {
        varint(field << 3)
        varint(integer)
    }

    mutating func append(_ field: UInt64, double: Double) {
        varint(field << 3 | 1)
        bytes += littleEndian(double.bitPattern)
    }

    mutating func append(_ field: UInt64, float: Float) {
        varint(field << 3 | 5)
        bytes += littleEndian(float.bitPattern)
    }

    mutating func append(_ field: UInt64, bytes value: [UInt8]) {
        varint(field << 3 | 2)
        varint(UInt64(value.count))
        bytes += value
    }
}

private func littleEndian(_ value: some FixedWidthInteger) -> [UInt8] {
    withUnsafeBytes(of: value.littleEndian) { Array($0) }
}
