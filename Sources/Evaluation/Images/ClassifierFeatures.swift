import DataSets
import LinearAlgebra
import Sampling

extension FeatureKind {
    static let classifier = FeatureKind(
        name: "classifier", example: "classifier:runs/classifier",
        meaning: "what a classifier trained by smd train classifies by, and its classes", argument: .checkpoint,
        make: { path, _, work in
            try work.communicator.together("reading the classifier") { try ClassifierFeatures(path) }
        })
}

/// What a classifier's last layer reads: numbers in which classes are told apart. Computed in float32 whatever it was
/// trained in, with the moving average of the weights.
struct ClassifierFeatures: ImageFeatures {
    let name: String
    /// SHA-256 of the checkpoint.
    let digest: String
    let classes: FeatureClasses?
    private let network: ImageClassifier
    private let path: String

    /// The classifier of the checkpoint at `path`.
    ///
    /// - Throws: as `ClassifierCheckpoint`.
    init(_ path: String) throws {
        let checkpoint = try ClassifierCheckpoint(path)
        network = try checkpoint.classifier(precision: JobPrecision(.fp32))
        (name, digest, self.path) = ("classifier:\(checkpoint.step)", checkpoint.digest, path)
        let (weight, bias) = network.head
        let (rows, columns) = (network.model.classes, network.model.features)
        classes = FeatureClasses(
            weight: Matrix(weight.map(Double.init), rows: rows, columns: columns), bias: bias.map(Double.init))
    }

    var dimension: Int { network.model.features }

    func check(_ set: DataSet) throws {
        let model = network.model
        let own = SampleShape.image(height: model.size, width: model.size, channels: model.channels)
        guard set.sample.with(conditions: 0) == own else {
            throw EvaluationError(
                "\(set.path) holds \(set.sample.words), the classifier \(path) takes \(own.words): prepare them in that "
                    + "size, or train a classifier of theirs")
        }
    }

    func features(of images: [Float], count: Int, _ shape: SampleShape) throws -> [Float] {
        try network.classify(images).features
    }
}
