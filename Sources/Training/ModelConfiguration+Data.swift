import ImageData
import NeuralNetwork

extension ModelConfiguration {
    /// Compares the network's sizes with those of the samples.
    ///
    /// - Throws: ``TrainingError`` that names the keys to change.
    func check(_ data: DataSet) throws {
        switch data.sample {
        case .image(let height, let width, let channels):
            guard height == size, width == size, channels == self.channels else {
                throw TrainingError(
                    "\(data.path) holds images of \(height)×\(width)×\(channels), the network takes "
                        + "\(size)×\(size)×\(self.channels): set model.size and model.channels, or prepare the images anew",
                    status: .badInput)
            }
        case .point(let dimension):
            guard isPoints, channels == dimension else {
                throw TrainingError(
                    "\(data.path) holds points of dimension \(dimension), the network takes "
                        + "\(size)×\(size)×\(channels): set model.size=1 and model.channels=\(dimension)",
                    status: .badInput)
            }
        }
    }
}
