import Configuration
import DataSets
import NeuralNetwork
import Sampling

/// The first images of a data set with their conditions, from which previews of a network that is shown conditions are
/// drawn, and beside which they are shown. They are read before training begins.
struct PreviewPairs {
    /// How many there are; of a set of fewer images these again.
    let count: Int
    /// Class of each, where samples have one.
    let classes: SampleClasses
    /// y, `[count, H, W, C']`.
    private let conditions: [Float]
    /// x_0, `[count, H, W, C]`.
    private let images: [Float]
    private let model: ModelConfiguration

    /// Those of a run; nil where no previews are drawn, or from nothing.
    ///
    /// - Throws: when the data set cannot be read.
    init?(_ data: DataSet, _ labels: ClassLabels?, _ configuration: RunConfiguration) throws {
        model = configuration.model
        count = configuration.previewCount
        guard model.conditionChannels > 0, configuration.previewDistance > 0, count > 0,
            case .image(let height, let width, _, _) = data.sample
        else { return nil }
        // Of larger images their middle.
        let window = ImageWindow(
            top: (height - model.size) / 2, left: (width - model.size) / 2, height: model.size, width: model.size)
        let places = (0..<count).map { $0 % data.count }
        classes = labels.map { labels in .each(places.map { Int(labels.values[$0]) }) } ?? .all
        conditions = try Self.rows(places, of: model.conditionElements) {
            try data.readCondition($0, flip: false, window: window, into: $1)
        }
        images = try Self.rows(places, of: model.sampleElements) {
            try data.read($0, flip: false, window: window, into: $1)
        }
    }

    private static func rows(
        _ places: [Int], of size: Int, _ read: (Int, UnsafeMutableBufferPointer<Float>) throws -> Void
    ) throws -> [Float] {
        try places.flatMap { place in
            var row = [Float](repeating: 0, count: size)
            try row.withUnsafeMutableBufferPointer { try read(place, $0) }
            return row
        }
    }

    /// y of the samples number `places`, of which those that fill a batch up are any.
    func conditions(_ places: Range<Int>) -> [Float] {
        let size = model.conditionElements
        return places.flatMap { place in
            let slot = min(place, count - 1)
            return conditions[slot * size..<(slot + 1) * size]
        }
    }

    /// Of each its condition, the sample drawn from it, and the image, side by side.
    ///
    /// - Parameter samples: `[count, H, W, C]`.
    func picture(of samples: [Float]) -> Picture {
        func visible(_ channels: Int) -> Int { channels < 3 ? 1 : 3 }
        let channels = max(visible(model.channels), visible(model.conditionChannels))
        func shown(_ values: [Float], of stored: Int) -> [UInt8] {
            let bytes = RasterImage.visible(pixels(values), channels: stored)
            return visible(stored) == channels ? bytes : bytes.flatMap { [$0, $0, $0] }
        }
        let parts = [
            shown(conditions, of: model.conditionChannels), shown(samples, of: model.channels),
            shown(images, of: model.channels),
        ]
        let size = model.size * model.size * channels
        var bytes: [UInt8] = []
        for place in 0..<count {
            for part in parts { bytes += part[place * size..<(place + 1) * size] }
        }
        let triples = Int((Double(count) / 3).squareRoot().rounded(.up))
        return Picture(
            images: bytes, of: .image(height: model.size, width: model.size, channels: channels), columns: 3 * triples)
    }
}
