import DataSets
import Foundation
import NeuralNetwork

/// Weights of Inception-v3 by a formula that any language computes alike. Element i of a tensor is w = h(i + n)/2³¹ − 1,
/// uniform in ±1, with n the 32-bit FNV-1a of its name and h the function of `hash`; then `conv.weight` is
/// √(6/fan-in) · w, `bn.weight` 1 + 0.2 w, `bn.bias` and `bn.running_mean` 0.1 w, `bn.running_var` 1 + 0.5 w.
enum FormulaWeights {
    /// Chris Wellons' lowbias32.
    private static func hash(_ i: UInt32) -> UInt32 {
        var x = i
        x ^= x >> 16
        x &*= 0x7FEB_352D
        x ^= x >> 15
        x &*= 0x846C_A68B
        x ^= x >> 16
        return x
    }

    private static func values(_ name: String, _ count: Int, _ value: (Double) -> Double) -> [Float] {
        let seed = name.utf8.reduce(UInt32(2_166_136_261)) { ($0 ^ UInt32($1)) &* 16_777_619 }
        return (0..<count).map { Float(value(Double(hash(UInt32($0) &+ seed)) / 0x1p31 - 1)) }
    }

    /// A file of them, in the names of pytorch-fid.
    static func write(to path: String) throws {
        var tensors: [(name: String, shape: [Int], values: [Float])] = []
        for parameter in InceptionV3.inferenceGraph(batch: 1).parameters where parameter.shape.count == 4 {
            let layer = String(parameter.name.dropLast(".weight".count))
            let (outputs, fanIn) = (parameter.shape[0], parameter.count / parameter.shape[0])
            func add(_ name: String, _ shape: [Int], _ value: (Double) -> Double) {
                let name = "\(layer).\(name)"
                tensors.append((name, shape, values(name, shape.reduce(1, *), value)))
            }
            add("conv.weight", parameter.shape) { (6 / Double(fanIn)).squareRoot() * $0 }
            add("bn.weight", [outputs]) { 1 + 0.2 * $0 }
            add("bn.bias", [outputs]) { 0.1 * $0 }
            add("bn.running_mean", [outputs]) { 0.1 * $0 }
            add("bn.running_var", [outputs]) { 1 + 0.5 * $0 }
        }
        var end = 0
        let entries = tensors.map { name, shape, values in
            defer { end += 4 * values.count }
            return
                "\"\(name)\":{\"dtype\":\"F32\",\"shape\":\(shape),\"data_offsets\":[\(end),\(end + 4 * values.count)]}"
        }
        let header = "{\(entries.joined(separator: ","))}"
        var data = withUnsafeBytes(of: UInt64(header.utf8.count).littleEndian) { Data($0) } + Data(header.utf8)
        for tensor in tensors { tensor.values.withUnsafeBytes { data.append(contentsOf: $0) } }
        try data.write(to: URL(fileURLWithPath: path))
    }
}

/// Images by a formula: byte i (rows, columns, channels) is ⌊127.5 + 127.5 sin(0.37 i + s) cos(0.011 i)⌋.
struct FormulaImage {
    let height, width, channels: Int
    /// s.
    let phase: Double

    static let colour = FormulaImage(height: 40, width: 24, channels: 3, phase: 1)
    static let grey = FormulaImage(height: 32, width: 32, channels: 1, phase: 2)
    static let large = FormulaImage(height: 320, width: 310, channels: 3, phase: 3)

    var shape: SampleShape { .image(height: height, width: width, channels: channels) }
    /// As a data set gives them, in [−1, 1].
    var values: [Float] {
        (0..<height * width * channels).map { i in
            let byte = (127.5 + 127.5 * sin(0.37 * Double(i) + phase) * cos(0.011 * Double(i))).rounded(.down)
            return Float((2 * byte - 255) / 255)
        }
    }
}
