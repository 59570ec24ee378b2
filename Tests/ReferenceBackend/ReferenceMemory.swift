import TensorGraph

/// Memory of the reference backend: it answers in float32, as every memory does, and holds double precision.
public final class ReferenceMemory: Memory {
    private var elements: [Double]

    /// `count` zeros.
    public init(count: Int) {
        precondition(count >= 0, "a memory of \(count) elements")
        elements = [Double](repeating: 0, count: count)
    }

    /// Number of elements.
    public var count: Int { elements.count }

    /// Copies `values` to the elements from `offset` on.
    public func write(_ values: [Float], at offset: Int) {
        writeDouble(values.map(Double.init), at: offset)
    }

    /// Copies out the elements of `range`, rounded to float32.
    public func read(_ range: Range<Int>) -> [Float] {
        elements[range].map(Float.init)
    }

    /// Sets the elements of `range` to zero.
    public func clear(_ range: Range<Int>) {
        for index in range { elements[index] = 0 }
    }

    /// Copies `values` to the elements from `offset` on, unrounded.
    public func writeDouble(_ values: [Double], at offset: Int) {
        elements.replaceSubrange(offset..<offset + values.count, with: values)
    }

    /// Copies out the elements of `range`, unrounded.
    public func readDouble(_ range: Range<Int>) -> [Double] {
        Array(elements[range])
    }
}
