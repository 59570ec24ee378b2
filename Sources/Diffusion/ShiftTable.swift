import NeuralNetwork
import TensorGraph

/// A ``Shift`` whose u are trained with the network, numbers `[classes, H, W, C]` that begin at 0. As samplers do, training runs in
/// y: with the loss's target of y_t the network is shown y_t + k_t u, and the share of u is taken off its output, so that the
/// gradient reaches u through both.
public struct ShiftTable: Sendable {
    /// The name of the numbers, `[classes, H, W, C]` as H·W·C rows of one number a class, among the network's parameters.
    public static let name = "shift_table.weight"
    public let classes: Int
    private let sample: [Int]
    private let coefficients: ShiftCoefficients

    /// nil where u is something else.
    public init?(_ model: ModelConfiguration, _ configuration: DiffusionConfiguration) {
        guard configuration.shift != .none, configuration.shiftBy == .classTable else { return nil }
        (classes, sample) = (configuration.shiftClasses, [model.size, model.size, model.channels])
        coefficients = ShiftCoefficients(configuration)
    }

    /// The inputs of a graph, `[N, classes]` each: the factor of u in the column of the sample's class, 0 in the others.
    public func inputs(timesteps: [Int], labels: [Float]) -> [String: [Float]] {
        func columns(_ factor: (Int) -> Double) -> [Float] {
            var result = [Float](repeating: 0, count: timesteps.count * classes)
            for (n, t) in timesteps.enumerated() { result[n * classes + Int(labels[n])] = Float(factor(t)) }
            return result
        }
        return ["shift_of_y": columns(coefficients.ofY), "shift_of_output": columns(coefficients.ofOutput)]
    }

    /// x_t of y_t, `[N, H, W, C]`.
    func shifted(y: Tensor) -> Tensor { adding(to: y, "shift_of_y") }

    /// The output of a network at x_t as it would be at y_t.
    func unshifted(output: Tensor) -> Tensor { adding(to: output, "shift_of_output") }

    private func adding(to values: Tensor, _ name: String) -> Tensor {
        let factors = values.graph.input(name, [values.shape[0], classes])
        return values + factors.linear(table(values.graph), bias: nil).reshaped(to: values.shape)
    }

    private func table(_ graph: Graph) -> Tensor {
        graph.parameter(Self.name, [sample.reduce(1, *), classes], .constant(0))
    }

    /// The table as a parameter.
    public var parameter: Parameter {
        let graph = Graph()
        _ = table(graph)
        return graph.parameters[0]
    }

    /// u of each class, `[classes, H, W, C]`, of the numbers of the table.
    public func means(_ values: [Float]) -> [Float] {
        let size = sample.reduce(1, *)
        return (0..<classes).flatMap { label in (0..<size).map { values[$0 * classes + label] } }
    }
}

extension DiffusionConfiguration {
    /// Why the process of `model` cannot move towards what `shiftBy` says, and what to set; nil where it can.
    public func shiftFault(_ model: ModelConfiguration) -> String? {
        func no(_ key: String, _ value: String, _ set: String) -> String {
            "diffusion.shift_by is \(shiftBy.rawValue), and \(key) is \(value): set \(set), or diffusion.shift_by=class-mean"
        }
        if shiftBy != .classMean, shift == .none { return no("diffusion.shift", "none", "diffusion.shift=quadratic") }
        if (shiftFile == "none") == (shiftBy == .file) {
            return shiftBy == .file
                ? no("diffusion.shift_file", "none", "it to a data set of the classes")
                : "diffusion.shift_file is \(shiftFile), but diffusion.shift_by is \(shiftBy.rawValue), which reads none: set "
                    + "diffusion.shift_by=file, or diffusion.shift_file=none"
        }
        guard shiftBy == .classTable else {
            return shiftClasses == 0
                ? nil
                : "diffusion.shift_classes is \(shiftClasses), but diffusion.shift_by is \(shiftBy.rawValue), which has those of "
                    + "its images: set diffusion.shift_classes=0, or diffusion.shift_by=class-table"
        }
        if shiftClasses == 0 {
            return no("diffusion.shift_classes", "0", "it to as many as the data's labels have")
        }
        if loss != .squaredError { return no("diffusion.loss", loss.rawValue, "diffusion.loss=squared_error") }
        if model.selfCondition { return no("model.self_condition", "true", "model.self_condition=false") }
        if model.classes > 0, model.classes != shiftClasses {
            return no("diffusion.shift_classes", "\(shiftClasses), but model.classes \(model.classes)", "both alike")
        }
        return nil
    }
}
