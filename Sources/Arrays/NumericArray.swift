/// Numbers on a rectangular grid of any rank, row by row (C order), in double precision.
public struct NumericArray: Equatable, Sendable {
    /// Lengths of the axes; none of a single number.
    public let shape: [Int]
    /// All elements, the last axis running fastest.
    public let elements: [Double]

    /// Of given elements, as many as `shape` has places.
    public init(_ elements: [Double], shape: [Int]) {
        precondition(elements.count == shape.reduce(1, *), "\(elements.count) elements of shape \(shape)")
        (self.shape, self.elements) = (shape, elements)
    }
}

/// The same grid with its axes in reverse order, given the elements of an array whose first axis runs fastest.
func rowByRow(_ elements: [Double], firstAxisFastest shape: [Int]) -> [Double] {
    var result = elements
    var place = [Int](repeating: 0, count: shape.count)
    for element in elements {
        var index = 0
        for (axis, length) in shape.enumerated() { index = index * length + place[axis] }
        result[index] = element
        for axis in shape.indices {
            place[axis] += 1
            if place[axis] < shape[axis] { break }
            place[axis] = 0
        }
    }
    return result
}
