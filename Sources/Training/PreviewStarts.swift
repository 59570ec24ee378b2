import Configuration
import DataSets
import Diffusion
import NeuralNetwork
import Sampling

/// What previews of one scale begin with, where a coarser one would have to sample it: the first images of the data set, noised
/// as far as this scale goes. They are read before training begins.
package struct PreviewStarts {
    /// Class of each, where samples have one.
    let classes: SampleClasses
    /// x_0 of the scale, `[count, H, W, C]`.
    private let images: [Float]
    private let elements: Int
    private let process: ForwardProcess
    /// The last timestep of the scale.
    private let timestep: Int

    /// Those of a run; nil where no previews are drawn, or from noise alone.
    ///
    /// - Throws: when the data set cannot be read.
    package init?(_ data: DataSet, _ labels: ClassLabels?, _ configuration: RunConfiguration) throws {
        let (diffusion, model) = (configuration.diffusion, configuration.model)
        guard diffusion.scale < diffusion.scales, configuration.previewDistance > 0,
            let scales = HaarScales(diffusion, model)
        else { return nil }
        let places = (0..<configuration.previewCount).map { $0 % data.count }
        var images = [Float](repeating: 0, count: places.count * data.elementsPerSample)
        try images.withUnsafeMutableBufferPointer { images in
            for (slot, place) in places.enumerated() {
                let first = slot * data.elementsPerSample
                try data.read(
                    place, flip: false,
                    into: UnsafeMutableBufferPointer(rebasing: images[first..<first + data.elementsPerSample]))
            }
        }
        self.images = configuration.dataTransform?.approximation(images) ?? images
        classes = labels.map { labels in .each(places.map { Int(labels.values[$0]) }) } ?? .all
        elements = model.sampleElements
        process = ForwardProcess(diffusion, model)
        timestep = scales.timesteps.upperBound - 1
    }

    /// x of the samples number `places` at the scale's last timestep, of which those that fill a batch up are any.
    ///
    /// - Parameter noise: `[places, H, W, C]`.
    package func noised(_ places: Range<Int>, noise: [Float]) -> [Float] {
        let last = images.count / elements - 1
        let x0 = places.flatMap { images[min($0, last) * elements..<(min($0, last) + 1) * elements] }
        return process.noised(x0: x0, noise: noise, timesteps: places.map { _ in timestep }).xt
    }
}
