import Crypto
import Files

/// The labels of a data set as classes, for a classifier or a network that is told them.
public struct ClassLabels: Sendable {
    /// The class of each sample, in 0 ..< `count`.
    public let values: [Int32]
    /// Number of classes.
    public let count: Int
    /// Names of the classes; nil where there are none.
    public let names: [String]?

    /// SHA-256 of the labels, in hexadecimal.
    public var fingerprint: String {
        var hash = SHA256()
        hash.update(values: values)
        return hash.finalize().hexadecimal
    }

    /// What class `number` is called: its name, or the number.
    public func name(_ number: Int) -> String { names?[number] ?? "\(number)" }
}

extension DataSet {
    /// More classes than that are none: labels that are something else, as numbers of objects.
    public static let mostClasses = 1 << 16

    /// The labels as classes.
    ///
    /// - Parameter count: classes that there have to be; 0: as many as labels have names, else one more than the largest
    ///   label.
    /// - Parameter key: what said so, which is advised to be changed; nil: nothing that can be.
    /// - Throws: ``DataSetError`` where there are no labels, or where one is not in 0 ..< `count`; where a file fails, also
    ///   `HDF5Error`.
    public func classLabels(count: Int = 0, saidBy key: String? = "model.classes") throws -> ClassLabels {
        guard let labels = try labels() else {
            throw DataSetError(
                "\(path): has no labels, by which classes are learned and tested: /labels, one integer a sample "
                    + "(smd dataset info \(shellWord(path)) says what is there)")
        }
        let names = try labelNames()
        let found = names?.count ?? min(max(labels.max() ?? 0, 0), .max - 1) + 1
        let classes = count > 0 ? count : found
        let advice = key.map { classes < found && found <= Self.mostClasses ? ", or \($0)=\(found)" : "" } ?? ""
        if let bad = labels.firstIndex(where: { !(0..<classes).contains($0) }) {
            throw DataSetError(
                "\(path): the label of sample \(bad) is \(labels[bad]); with \(classes) classes labels are wanted in "
                    + "0 ... \(classes - 1)\(advice)")
        }
        guard (2...Self.mostClasses).contains(classes) else {
            throw DataSetError(
                "\(path): has labels of \(classes) \(classes == 1 ? "class" : "classes"); a classifier tells 2 to "
                    + "\(Self.mostClasses) apart")
        }
        return ClassLabels(
            values: labels.map(Int32.init), count: classes, names: names.flatMap { $0.count == classes ? $0 : nil })
    }
}
