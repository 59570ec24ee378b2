import Files
import HDF5

/// The labels of a data set, as far as they can be used.
struct Labelling {
    /// One a sample; `nil` where there are none, or none that can be used.
    var labels: [Int]?
    /// Names of the labels 0, 1, …; `nil` where there are none, or none that can be used.
    var names: [String]?
    /// What is there but not used, and why: a line each.
    var remarks: [String] = []
}

/// Why something under the name of labels cannot be used as that.
private struct Unusable: Error {
    let reason: String
}

extension DataSetFile {
    /// Reads the labels and their names.
    ///
    /// - Throws: ``DataSetError`` where those of a file of this product are damaged. What others keep under these
    ///   names is theirs to know: what cannot be used of it becomes a remark.
    func readLabelling() throws -> Labelling {
        var found = Labelling()
        if let unusedConditions { found.remarks.append(unusedConditions) }
        found.labels = try usable(&found.remarks) { try readLabels() }
        found.names = try usable(&found.remarks) { try readNames(of: found.labels) }
        if !isOurs, try samples.hasAttribute(DataSetFormat.digestAttribute) {
            found.remarks.append("the attribute sha256 of \(samples.path): this program has not written it")
        }
        return found
    }

    /// The labels of a file of this product, opened and checked but not read; `nil` where there are none.
    func openLabels() throws -> HDF5Dataset? {
        var remarks: [String] = []
        return try usable(&remarks) { try labelSet() }
    }

    private func usable<T>(_ remarks: inout [String], _ body: () throws -> T?) throws -> T? {
        do {
            return try body()
        } catch let problem as Unusable {
            if isOurs {
                throw DataSetError("\(path): is damaged: \(problem.reason); make or copy the file again")
            }
            remarks.append(problem.reason)
        } catch {
            if isOurs { throw error }
            remarks.append("\(error)")
        }
        return nil
    }

    private func labelSet() throws -> HDF5Dataset? {
        guard file.root.isPresent("labels") else { return nil }
        let set = try file.root.dataset("labels")
        guard set.isNumeric, !isOurs || !set.elementType.isFloat else {
            throw Unusable(reason: "/labels is \(set.elementType), not integers")
        }
        // N×1 is one label a sample too; N×K is something else.
        guard set.shape.first == count, set.shape.dropFirst().allSatisfy({ $0 == 1 }) else {
            let shape = set.shape.isEmpty ? "is a single number" : "has the shape \(shapeText(set.shape))"
            throw Unusable(reason: "/labels \(shape), one label for each of \(count) samples is wanted")
        }
        return set
    }

    private func readLabels() throws -> [Int]? {
        guard let set = try labelSet() else { return nil }
        if set.elementType.isFloat {
            return try set.read(as: Double.self).map { value in
                // Beyond 2⁵³ not every integer has a number of its own.
                guard value == value.rounded(), abs(value) <= 0x1p53 else {
                    throw Unusable(reason: "/labels holds \(value), not integers")
                }
                return Int(value)
            }
        }
        let labels = try set.read(as: Int64.self)
        // libhdf5 clamps what does not fit.
        if set.elementType == .other("uint64"), labels.contains(.max) {
            throw Unusable(reason: "/labels holds numbers of \(Int64.max) or more")
        }
        return labels.map(Int.init)
    }

    /// The attribute that this product writes, or the data set of before and of files with many names.
    private func storedNames() throws -> [String]? {
        if isOurs, file.root.isDataset("labels"),
            let found = try file.root.dataset("labels").attribute(DataSetFormat.labelNamesAttribute)
        {
            switch found {
            case .strings(let names): return names
            case .string(let name): return [name]
            default: throw Unusable(reason: "the attribute names of /labels is no text")
            }
        }
        guard file.root.isPresent("label_names") else { return nil }
        let set = try file.root.dataset("label_names")
        guard set.elementType == .string else {
            throw Unusable(reason: "/label_names is \(set.elementType), not text")
        }
        guard !set.shape.isEmpty, set.shape.allSatisfy({ $0 == 1 || $0 == set.count }) else {
            let shape = set.shape.isEmpty ? "is a single text" : "has the shape \(shapeText(set.shape))"
            throw Unusable(reason: "/label_names \(shape), a list of names is wanted")
        }
        return try set.readStrings()
    }

    private func readNames(of labels: [Int]?) throws -> [String]? {
        guard let names = try storedNames() else { return nil }
        guard let labels else {
            throw Unusable(reason: "/label_names names labels, of which there are none that can be used")
        }
        // Labels that begin at 1, say, would each get the name of the next one.
        if let bad = labels.first(where: { !names.indices.contains($0) }) {
            throw Unusable(reason: "/label_names names the labels below \(names.count), but /labels holds \(bad)")
        }
        return names
    }
}

extension SampleSource {
    /// The labels of all files, and their names where all files give the same.
    ///
    /// - Throws: `HDF5Error` or ``DataSetError`` where a file fails.
    func readLabelling() throws -> Labelling {
        var whole = try file(0).readLabelling()
        var labelled = whole.labels == nil ? 0 : 1
        for index in parts.indices.dropFirst() {
            let part = try file(index).readLabelling()
            whole.remarks += part.remarks
            if let labels = part.labels {
                labelled += 1
                whole.labels = whole.labels.map { $0 + labels }
            }
            if (part.names ?? []).elementsEqual(whole.names ?? [], by: { $0.hasSameBytes(as: $1) }) { continue }
            whole.names = nil
            whole.remarks.append("the shards' /label_names differ")
        }
        if labelled < parts.count {
            if labelled > 0 { whole.remarks.append("only \(labelled) of \(parts.count) shards have labels") }
            (whole.labels, whole.names) = (nil, nil)
        }
        return whole
    }
}
