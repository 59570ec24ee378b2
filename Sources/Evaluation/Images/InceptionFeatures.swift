import DataSets
import NeuralNetwork

extension FeatureKind {
    static let inception = inception(
        "inception", "Inception-v3 as the FID has it, with TensorFlow's resize", .tensorFlow)
    static let inceptionTorch = inception("inception-torch", "the same with PyTorch's, as pytorch-fid", .pyTorch)

    private static func inception(
        _ name: String, _ meaning: String, _ convention: BilinearResize.Convention
    ) -> FeatureKind {
        FeatureKind(
            name: name, example: "\(name):weights.safetensors", meaning: meaning, argument: .file,
            make: { path, _, work in
                try work.communicator.together("reading \(path)") {
                    InceptionFeatures(name, try InceptionNetwork(path), convention)
                }
            })
    }
}

/// The last pool of Inception-v3 (Heusel et al. 2017): figures of these features alone may be called FID and KID.
///
/// Images are resized to 299×299 as one implementation or the other does it, and grey ones get three equal channels. With
/// TensorFlow's resize a byte v enters as (v − 128)/128, as in the graph of the first implementation and in
/// torch-fidelity; with PyTorch's as 2·v/255 − 1, as in pytorch-fid.
struct InceptionFeatures: ImageFeatures {
    let name: String
    private let network: InceptionNetwork
    private let resize: BilinearResize

    init(_ name: String, _ network: InceptionNetwork, _ convention: BilinearResize.Convention) {
        (self.name, self.network) = (name, network)
        resize = BilinearResize(convention, size: InceptionV3.size)
    }

    /// SHA-256 of the weights.
    var digest: String { network.digest }
    var dimension: Int { InceptionV3.features }
    var areInception: Bool { true }
    /// Some seconds of work.
    var imagesAtATime: Int { 4 * InceptionNetwork.batch }

    func check(_ set: DataSet) throws {
        guard case .image(_, _, let channels, _) = set.sample, channels == 1 || channels == 3 else {
            throw EvaluationError(
                "\(set.path) holds \(set.sample.words); \(name) takes images of 3 channels, or of 1, which is repeated")
        }
    }

    func features(of images: [Float], count: Int, _ shape: SampleShape) throws -> [Float] {
        guard case .image(let height, let width, let channels, _) = shape else {
            preconditionFailure("features of \(shape.words)")
        }
        let (from, to) = (shape.elements, InceptionV3.size * InceptionV3.size)
        return try images.withUnsafeBufferPointer { images in
            try stride(from: 0, to: count, by: InceptionNetwork.batch).flatMap { first in
                let part = first..<min(first + InceptionNetwork.batch, count)
                return try network.features(count: part.count) { inputs in
                    for (slot, index) in part.enumerated() {
                        let image = UnsafeBufferPointer(rebasing: images[index * from..<(index + 1) * from])
                        let place = UnsafeMutableBufferPointer(rebasing: inputs[slot * to * 3..<(slot + 1) * to * 3])
                        let resized = UnsafeMutableBufferPointer(rebasing: place[..<(to * channels)])
                        resize(image, height, width, channels, to: resized)
                        if channels == 1 { repeatChannel(place) }
                        if resize.convention == .tensorFlow { shiftToBytes(place) }
                    }
                }
            }
        }
    }

    /// The first third of `image` becomes all three channels.
    private func repeatChannel(_ image: UnsafeMutableBufferPointer<Float>) {
        for pixel in (0..<image.count / 3).reversed() {
            let value = image[pixel]
            for c in 0..<3 { image[3 * pixel + c] = value }
        }
    }

    /// 2·v/255 − 1 becomes (v − 128)/128.
    private func shiftToBytes(_ image: UnsafeMutableBufferPointer<Float>) {
        for i in image.indices { image[i] = (127.5 * image[i] - 0.5) / 128 }
    }
}
