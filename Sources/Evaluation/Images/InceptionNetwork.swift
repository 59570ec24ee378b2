import Arrays
import CPUBackend
import Crypto
import DataSets
import NeuralNetwork
import TensorGraph

/// Inception-v3 with weights from a file, on the CPU, in float32. An image's results do not depend on those around it: the
/// network computes on batches of one size, of which the last is filled up.
final class InceptionNetwork {
    /// Images that the network works on at a time.
    static let batch = 8

    /// SHA-256 of the weights as they are in the file, layer by layer.
    let digest: String
    private let weights: CPUMemory
    private let executor: Executor

    /// The network with the weights of pytorch-fid's `pt_inception-2015-12-05` at `path`, converted to safetensors: of each
    /// layer NAME `NAME.conv.weight` and, of its normalisation, `NAME.bn.weight`, `.bias`, `.running_mean` and
    /// `.running_var`. What else is there, such as the last layer, is not read.
    ///
    /// - Throws: `ArrayFileError` or ``EvaluationError`` where the file cannot be used; when memory cannot be had.
    init(_ path: String) throws {
        let file = try SafeTensors(path: path)
        let plan = ExecutionPlan(InceptionV3.inferenceGraph(batch: Self.batch))
        weights = try CPUMemory(count: plan.layout.count)
        executor = try Executor(plan, on: CPUBackend(), parameters: weights)
        var hash = SHA256()
        let layers = plan.layout.parameters.filter { $0.shape.count == 4 }.sorted { $0.name < $1.name }
        for layer in layers {
            let folded = try FoldedLayer(String(layer.name.dropLast(".weight".count)), layer.shape, file, &hash)
            for (name, values) in [("weight", folded.weight), ("bias", folded.bias)] {
                guard let place = plan.layout.range("\(folded.name).\(name)") else {
                    preconditionFailure("the network has no \(folded.name).\(name)")
                }
                weights.write(values, at: place.lowerBound)
            }
        }
        digest = hash.finalize().hexadecimal
        try executor.parametersChanged()
    }

    /// The features `[N, 2048]` of images `[N, 299, 299, 3]`, at most ``batch`` of them; `fill` writes these.
    func features(count: Int, fill: (UnsafeMutableBufferPointer<Float>) -> Void) throws -> [Float] {
        let imageSize = InceptionV3.size * InceptionV3.size * 3
        precondition((1...Self.batch).contains(count), "\(count) images at a time")
        var images = [Float](repeating: 0, count: Self.batch * imageSize)
        images.withUnsafeMutableBufferPointer { fill(UnsafeMutableBufferPointer(rebasing: $0[..<(count * imageSize)])) }
        executor.write(["x": images])
        try executor.run()
        return Array(executor.read("features").prefix(count * InceptionV3.features))
    }
}

/// A convolution and the batch normalisation behind it as one convolution with a bias:
/// `γ (w∗x − μ)/√(σ² + ε) + β = (γ/√(σ² + ε)) w∗x + (β − γ μ/√(σ² + ε))`, computed in double precision.
private struct FoldedLayer {
    let name: String
    /// `[O, I, kh, kw]`.
    let weight: [Float]
    /// `[O]`.
    let bias: [Float]

    /// - Parameter hash: goes over all numbers that are read.
    init(_ name: String, _ shape: [Int], _ file: SafeTensors, _ hash: inout SHA256) throws {
        self.name = name
        let raw = "\(name).conv.weight"
        guard file.entries[raw] != nil else {
            throw EvaluationError(
                "\(file.path): is no Inception-v3 in the names of pytorch-fid: there is no \(raw); docs/evaluation.md says "
                    + "how to make the file")
        }
        let outputs = shape[0]
        let kernel = try file.floats(raw, shape: shape)
        let parts = try ["weight", "bias", "running_mean", "running_var"].map {
            try file.floats("\(name).bn.\($0)", shape: [outputs])
        }
        for values in [kernel] + parts { values.withUnsafeBytes { hash.update(bufferPointer: $0) } }
        let scales = (0..<outputs).map { o in
            Double(parts[0][o]) / (Double(parts[3][o]) + InceptionV3.epsilon).squareRoot()
        }
        let taps = kernel.count / outputs
        weight = kernel.indices.map { Float(Double(kernel[$0]) * scales[$0 / taps]) }
        bias = (0..<outputs).map { o in Float(Double(parts[1][o]) - Double(parts[2][o]) * scales[o]) }
        guard (weight + bias).allSatisfy(\.isFinite) else {
            throw EvaluationError("\(file.path): \(name) holds numbers that are not finite, or a negative variance")
        }
    }
}
