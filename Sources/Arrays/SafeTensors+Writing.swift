import Foundation

extension SafeTensors {
    /// An array to be written, row by row.
    public struct Tensor {
        let name: String
        let shape: [Int]
        let values: [Float]

        /// An array of `values.count` = product of `shape` numbers.
        public init(name: String, shape: [Int], values: [Float]) {
            precondition(values.count == shape.reduce(1, *), "\(name): \(values.count) values for the shape \(shape)")
            (self.name, self.shape, self.values) = (name, shape, values)
        }
    }

    /// The bytes of a file of float32 arrays, which other readers of the format open: arrays and texts in the order of
    /// their names' bytes, elements from a multiple of 8 bytes on. The same content gives the same bytes.
    ///
    /// - Parameters:
    ///   - tensors: of different names.
    ///   - metadata: texts beside them (`__metadata__`).
    /// - Throws: ``ArrayFileError`` where the header would be longer than is read.
    public static func encode(_ tensors: [Tensor], metadata: [String: String]) throws -> [UInt8] {
        let sorted = tensors.sorted { $0.name.utf8.lexicographicallyPrecedes($1.name.utf8) }
        for (one, next) in zip(sorted, sorted.dropFirst()) {
            precondition(!one.name.utf8.elementsEqual(next.name.utf8), "two arrays are called \(one.name)")
        }
        let texts = metadata.sorted { $0.key.utf8.lexicographicallyPrecedes($1.key.utf8) }
            .map { "\(quoted($0.key)):\(quoted($0.value))" }
        var members = ["\"__metadata__\":{\(texts.joined(separator: ","))}"]
        var end = 0
        for tensor in sorted {
            precondition(tensor.name != "__metadata__", "\(tensor.name) cannot name an array")
            let begin = end
            end += tensor.values.count * MemoryLayout<Float>.size
            let shape = tensor.shape.map(String.init).joined(separator: ",")
            members.append(
                "\(quoted(tensor.name)):{\"dtype\":\"F32\",\"shape\":[\(shape)],\"data_offsets\":[\(begin),\(end)]}")
        }
        var header = Array("{\(members.joined(separator: ","))}".utf8)
        header += [UInt8](repeating: UInt8(ascii: " "), count: -header.count & 7)
        guard header.count <= maximumHeaderBytes else {
            throw ArrayFileError("a file of \(tensors.count) arrays would have a header of \(header.count) bytes")
        }
        var bytes = withUnsafeBytes(of: UInt64(header.count).littleEndian) { Array($0) }
        bytes.reserveCapacity(8 + header.count + end)
        bytes += header
        for tensor in sorted {
            for value in tensor.values { withUnsafeBytes(of: value.bitPattern.littleEndian) { bytes += $0 } }
        }
        return bytes
    }

    /// A text of JSON, as the format's own library writes it.
    private static func quoted(_ text: String) -> String {
        var result = "\""
        for scalar in text.unicodeScalars {
            switch scalar {
            case "\"": result += "\\\""
            case "\\": result += "\\\\"
            case "\n": result += "\\n"
            case "\r": result += "\\r"
            case "\t": result += "\\t"
            case _ where scalar.value < 0x20:
                let digits = String(scalar.value, radix: 16)
                result += "\\u" + String(repeating: "0", count: 4 - digits.count) + digits
            default: result.unicodeScalars.append(scalar)
            }
        }
        return result + "\""
    }
}
