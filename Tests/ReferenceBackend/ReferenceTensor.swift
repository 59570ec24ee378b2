/// Numbers in double precision with a shape, the last axis fastest: the operands of the reference operations.
public struct ReferenceTensor: Equatable, Sendable {
    /// Lengths of the axes.
    public let shape: [Int]
    /// The numbers, the last axis fastest.
    public var values: [Double]

    /// A tensor of the given numbers, as many as `shape` has places.
    public init(_ shape: [Int], _ values: [Double]) {
        precondition(shape.reduce(1, *) == values.count, "\(values.count) values for the shape \(shape)")
        self.shape = shape
        self.values = values
    }

    /// A tensor of one number everywhere.
    public init(_ shape: [Int], repeating value: Double = 0) {
        self.init(shape, [Double](repeating: value, count: shape.reduce(1, *)))
    }

    /// Length of the last axis.
    public var columns: Int { shape[shape.count - 1] }

    /// Number of rows, all axes before the last taken together.
    public var rows: Int { values.count / columns }

    /// The element in `column` of the last axis, `row` counting over all axes before it.
    public subscript(row: Int, column: Int) -> Double {
        get { values[row * columns + column] }
        set { values[row * columns + column] = newValue }
    }

    /// An element of a tensor of four axes: `[N,H,W,C]`, or `[O,I,kh,kw]`.
    public subscript(i: Int, j: Int, k: Int, l: Int) -> Double {
        get { values[((i * shape[1] + j) * shape[2] + k) * shape[3] + l] }
        set { values[((i * shape[1] + j) * shape[2] + k) * shape[3] + l] = newValue }
    }

    /// The same numbers read with another shape.
    public func reshaped(_ shape: [Int]) -> ReferenceTensor { ReferenceTensor(shape, values) }

    /// The tensor of `function` of each element.
    public func map(_ function: (Double) -> Double) -> ReferenceTensor { ReferenceTensor(shape, values.map(function)) }

    /// The tensor of `function` of each pair of elements.
    public func zip(_ other: ReferenceTensor, _ function: (Double, Double) -> Double) -> ReferenceTensor {
        precondition(shape == other.shape, "shapes \(shape) and \(other.shape) differ")
        return ReferenceTensor(shape, Swift.zip(values, other.values).map(function))
    }
}
