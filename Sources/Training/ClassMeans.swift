import Communication
import Configuration
import DataSets
import Diffusion
import Sampling
import Storage

/// What a shifted forward process moves towards: the mean of each class of the data or of another data set, a group of its own
/// in a checkpoint.
extension Shift {
    /// That of a run; nil where its process is not shifted, or what it moves towards is trained. Each rank reads all samples.
    ///
    /// - Throws: when a data set cannot be read, or its classes are not those of the data.
    init?(_ configuration: RunConfiguration, _ data: DataSet, _ labels: ClassLabels?) throws {
        guard configuration.isShifted, let labels else { return nil }
        switch configuration.diffusion.shiftBy {
        case .classTable: return nil
        case .classMean: try self.init(configuration, meansOf: data, labels)
        case .file:
            let path = configuration.diffusion.shiftFile
            let other = try DataSet(path: path)
            guard other.sample == data.sample else {
                throw DataSetError(
                    "\(path): diffusion.shift_file holds samples of \(other.sample), but the data \(data.sample): "
                        + "prepare it at the same size")
            }
            let found = try other.classLabels(count: labels.count, saidBy: nil)
            guard found.names == nil || labels.names == nil || found.names == labels.names else {
                throw DataSetError("\(path): diffusion.shift_file names other classes than \(configuration.data)")
            }
            let present = Set(found.values)
            if let missing = (0..<labels.count).first(where: { !present.contains(Int32($0)) }) {
                throw DataSetError(
                    "\(path): diffusion.shift_file holds no image of class \(labels.name(missing)): it needs one of each"
                )
            }
            try self.init(configuration, meansOf: other, found)
        }
    }

    /// The means of the classes of `data`.
    private init(_ configuration: RunConfiguration, meansOf data: DataSet, _ labels: ClassLabels) throws {
        let size = data.elementsPerSample
        var sums = [Double](repeating: 0, count: labels.count * size)
        var counts = [Int](repeating: 0, count: labels.count)
        for first in stride(from: 0, to: data.count, by: 1024) {
            let places = first..<min(first + 1024, data.count)
            let samples = try data.samples(places)
            Watchdog.beat()
            for (slot, place) in places.enumerated() {
                let label = Int(labels.values[place])
                counts[label] += 1
                for i in 0..<size { sums[label * size + i] += Double(samples[slot * size + i]) }
            }
        }
        let means = sums.indices.map { Float(sums[$0] / Double(max(1, counts[$0 / size]))) }
        self.init(configuration.diffusion, means: means, classes: labels.count)
    }

    /// Adds the means to a checkpoint in the making, as the next group.
    func add(to image: CheckpointImage, _ sample: [Int]) throws {
        try image.begin(CheckpointGroup.classMeans)
        try means.withUnsafeBufferPointer {
            try image.add(TrainedShift.name, shape: [classes] + sample, values: $0)
        }
    }
}
