/// Which classes are drawn from a network that is told one.
public enum SampleClasses: Equatable, Sendable {
    /// One after the other: sample k is of class k mod K.
    case all
    case one(Int)
    /// The class of each sample from 0 on.
    case each([Int])

    /// The class of sample `k`, of so many.
    public func label(_ k: Int, of classes: Int) -> Int {
        switch self {
        case .all: return k % classes
        case .one(let label):
            precondition(0..<classes ~= label, "class \(label) of \(classes)")
            return label
        case .each(let labels):
            // What fills the last batch up is of any class.
            let label = labels[min(k, labels.count - 1)]
            precondition(0..<classes ~= label, "class \(label) of \(classes)")
            return label
        }
    }

    /// Those of `samples`; nil where there are no classes.
    func labels(_ samples: Range<Int>, of classes: Int) -> [Float]? {
        classes > 0 ? samples.map { Float(label($0, of: classes)) } : nil
    }
}
