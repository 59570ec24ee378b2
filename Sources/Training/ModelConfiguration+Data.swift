import Configuration
import DataSets
import NeuralNetwork
import Sampling

extension ModelConfiguration {
    /// Compares the network's sizes with those of the samples.
    ///
    /// - Parameters:
    ///   - crop: what of an image it is shown.
    ///   - blockSide: pixels of an image along a side of one that it is shown, for one scale of several.
    /// - Throws: ``RunError`` that names the keys to change.
    package func check(_ data: DataSet, crop: Crop = .none, blockSide: Int = 1) throws {
        guard conditionChannels == 0 || data.sample.conditions == conditionChannels else {
            throw RunError(
                "\(data.path) holds \(data.sample.words), but model.condition_channels is \(conditionChannels): set it to the "
                    + "channels of its /conditions, or 0 to train without", status: .badInput)
        }
        switch data.sample {
        case .image(let height, let width, let channels, _) where crop == .random:
            guard height >= size, width >= size, channels == self.channels else {
                throw RunError(
                    "\(data.path) holds images of \(height)×\(width)×\(channels), which have no window of "
                        + "\(size)×\(size)×\(self.channels), the network's size, for crop: random: set model.size and "
                        + "model.channels", status: .badInput)
            }
        case _ where crop == .random:
            throw RunError(
                "\(data.path) holds \(data.sample.words), and crop: random is for images: set crop=none",
                status: .badInput)
        case .image(let height, let width, let channels, _) where blockSide > 1:
            let side = size * blockSide
            guard height == side, width == side, channels == self.channels else {
                throw RunError(
                    "\(data.path) holds images of \(height)×\(width)×\(channels), this scale takes those of "
                        + "\(side)×\(side)×\(self.channels), \(blockSide) times its own size: set model.size and model.channels",
                    status: .badInput)
            }
        case .image(let height, let width, let channels, _):
            guard height == size, width == size, channels == self.channels else {
                throw RunError(
                    "\(data.path) holds images of \(height)×\(width)×\(channels), the network takes "
                        + "\(size)×\(size)×\(self.channels): set model.size and model.channels, or prepare the images anew",
                    status: .badInput)
            }
        case .latent(let height, let width, let channels):
            guard height == size, width == size, channels == self.channels else {
                throw RunError(
                    "\(data.path) holds latents of \(height)×\(width)×\(channels), the network takes "
                        + "\(size)×\(size)×\(self.channels): set model.size=\(height) and model.channels=\(channels)",
                    status: .badInput)
            }
        case .point(let dimension):
            guard isPoints, channels == dimension else {
                throw RunError(
                    "\(data.path) holds points of dimension \(dimension), the network takes "
                        + "\(size)×\(size)×\(channels): set model.size=1 and model.channels=\(dimension)",
                    status: .badInput)
            }
        }
    }
}
