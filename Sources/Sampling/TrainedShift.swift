import Configuration
import Diffusion
import Storage

/// The means of the classes that the forward process of a checkpoint's network moves towards.
public enum TrainedShift {
    /// The name of the tensor in its group, `[classes, H, W, C]`.
    public static let name = "means"

    /// Those of `file`; nil where its process is not shifted, or they are a ``ShiftTable`` among its weights.
    ///
    /// - Throws: ``RunError`` where they are missing or do not fit the network.
    package static func read(_ file: CheckpointFile, _ configuration: RunConfiguration) throws -> Shift? {
        guard configuration.isShifted, configuration.diffusion.shiftBy != .classTable else { return nil }
        let (group, model) = (CheckpointGroup.classMeans, configuration.model)
        let tensors = file.tensors(group)
        let sample = [model.size, model.size, model.channels]
        guard tensors.count == 1, tensors[0].name == name, tensors[0].shape.count == 4, tensors[0].shape[0] > 0,
            Array(tensors[0].shape.dropFirst()) == sample
        else {
            throw RunError(
                "\(file.path): its diffusion.shift is \(configuration.diffusion.shift.rawValue), but it holds no "
                    + "/\(group) of its classes: use a checkpoint that smd train wrote")
        }
        let means = try file.tensor(name, of: group).values
        guard means.allSatisfy(\.isFinite) else {
            throw RunError("\(file.path): /\(group) holds what is no finite number")
        }
        return Shift(configuration.diffusion, means: means, classes: tensors[0].shape[0])
    }

    /// That of the ``ShiftTable`` among the weights of a checkpoint, which is taken out of them; nil where there is none to be.
    ///
    /// - Throws: ``RunError`` where it is missing or does not fit the network.
    static func take(
        from tensors: inout [NamedTensor], _ configuration: RunConfiguration, _ path: String
    ) throws -> Shift? {
        guard configuration.isShifted, let table = ShiftTable(configuration.model, configuration.diffusion) else {
            return nil
        }
        guard let place = tensors.firstIndex(where: { $0.name == ShiftTable.name }),
            tensors[place].shape == table.parameter.shape
        else {
            throw RunError(
                "\(path) holds no \(ShiftTable.name) of shape \(table.parameter.shape), which it moves towards")
        }
        let means = table.means(tensors.remove(at: place).values)
        return Shift(configuration.diffusion, means: means, classes: table.classes)
    }
}
