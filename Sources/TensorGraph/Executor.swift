/// A plan prepared on a backend: runs any number of times, without allocating.
public final class Executor {
    /// What is run.
    public let plan: ExecutionPlan
    /// Values of inputs and intermediates.
    public let activations: any Memory
    private let gradients: (any Memory)?
    private let operations: [PreparedOperation]
    private let derived: [DerivedParameters]

    /// Prepares every operation of `plan`.
    ///
    /// - Parameters:
    ///   - parameters: the parameter arena, laid out as `plan.layout` says.
    ///   - gradients: the gradient arena of the same layout; needed when the plan has a backward pass.
    ///   - activations: memory to use for inputs and intermediates, shared by plans that never run at the same time;
    ///     nil allocates it.
    /// - Throws: when memory cannot be had or the backend cannot prepare an operation.
    public init(
        _ plan: ExecutionPlan, on backend: any Backend, parameters: any Memory, gradients: (any Memory)? = nil,
        activations shared: (any Memory)? = nil
    ) throws {
        precondition(parameters.count >= plan.layout.count, "\(parameters.count) < \(plan.layout.count)")
        self.plan = plan
        self.gradients = gradients
        let activations = try shared ?? backend.allocate(count: plan.activationCount)
        precondition(activations.count >= plan.activationCount, "\(activations.count) < \(plan.activationCount)")
        self.activations = activations
        func operand(_ id: Int) -> Operand {
            let value = plan.values[id]
            switch value.role {
            case .parameter(let index):
                return Operand(
                    memory: parameters, offset: plan.layout.offsets[plan.layoutIndex[index]], shape: value.shape)
            case .parameterGradient(let index):
                guard let gradients else { preconditionFailure("a plan with a backward pass needs gradients") }
                return Operand(
                    memory: gradients, offset: plan.layout.offsets[plan.layoutIndex[index]], shape: value.shape)
            case .input, .intermediate, .unread:
                guard let offset = plan.activationOffsets[id] else { preconditionFailure("value \(id) has no place") }
                return Operand(memory: activations, offset: offset, shape: value.shape)
            }
        }
        operations = try plan.nodes.map {
            try backend.prepare($0.operation, inputs: $0.inputs.map(operand), outputs: $0.outputs.map(operand))
        }
        var known: Set<ObjectIdentifier> = []
        derived = operations.flatMap(\.derived).filter { known.insert(ObjectIdentifier($0)).inserted }
    }

    /// Elements in ``activations`` of the input called `name`; nil when the plan has no such input.
    public func inputRange(_ name: String) -> Range<Int>? { plan.inputs[name].flatMap(range) }

    /// Elements in ``activations`` of the result called `name`.
    public func resultRange(_ name: String) -> Range<Int>? { plan.results[name].flatMap(range) }

    private func range(_ id: Int) -> Range<Int>? {
        plan.activationOffsets[id].map { $0..<($0 + plan.values[id].count) }
    }

    /// Writes every input of the plan: one that is missing, unknown or of another size traps.
    public func write(_ values: [String: [Float]]) {
        for (name, values) in values {
            guard let range = inputRange(name) else {
                preconditionFailure("no input is called \(name); there are \(plan.inputs.keys.sorted())")
            }
            precondition(values.count == range.count, "\(name) has \(range.count) elements, not \(values.count)")
            activations.write(values, at: range.lowerBound)
        }
        for name in plan.inputs.keys { precondition(values[name] != nil, "the input \(name) is not written") }
    }

    /// Reads the result called `name`.
    public func read(_ name: String) -> [Float] {
        guard let range = resultRange(name) else { preconditionFailure("the plan keeps no result called \(name)") }
        return activations.read(range)
    }

    /// To be called after parameters changed, before the next run: rebuilds the weights' working layout once for all
    /// runs until the next change.
    public func parametersChanged() throws {
        for derived in derived { try derived.rebuild() }
    }

    /// Runs all operations in order.
    public func run() throws {
        for operation in operations { try operation.run() }
    }

    /// Runs all operations in order; `after` is called with the index of each as it finishes.
    public func run(after: (Int) throws -> Void) throws {
        for (index, operation) in operations.enumerated() {
            try operation.run()
            try after(index)
        }
    }

    /// Runs operations in order until one gives a value that is not finite, and says which, with the learned tensor it
    /// works with or the last one before it: "convolution with model.init_conv.weight". Slow: for looking into errors.
    ///
    /// - Returns: nil when all values are finite.
    public func firstNonFinite() throws -> String? {
        for (name, id) in plan.inputs.sorted(by: { $0.key < $1.key }) where !isFinite(id) { return "the input \(name)" }
        var lastParameter: String?
        for (node, operation) in zip(plan.nodes, operations) {
            try operation.run()
            let own = (node.inputs + node.outputs).lazy.compactMap(parameterName).first
            lastParameter = own ?? lastParameter
            guard !node.outputs.allSatisfy(isFinite) else { continue }
            let kind = "\(node.operation)".prefix { $0.isLetter || $0.isNumber }
            let place = own.map { " with \($0)" } ?? lastParameter.map { " after \($0)" } ?? ""
            return kind + place
        }
        return nil
    }

    private func parameterName(_ id: Int) -> String? {
        switch plan.values[id].role {
        case .parameter(let index), .parameterGradient(let index):
            plan.layout.parameters[plan.layoutIndex[index]].name
        case .input, .intermediate, .unread: nil
        }
    }

    private func isFinite(_ id: Int) -> Bool {
        if plan.values[id].role == .unread { return true }
        let count = plan.values[id].count
        if case .parameterGradient(let index) = plan.values[id].role {
            let start = plan.layout.offsets[plan.layoutIndex[index]]
            return gradients?.read(start..<start + count).allSatisfy(\.isFinite) ?? true
        }
        return range(id).map { activations.read($0).allSatisfy(\.isFinite) } ?? true
    }
}
