import Foundation
import HDF5

/// A reference file that cannot be read or does not hold what its kind must hold: which file, what, and what to do.
public struct ConformanceError: Error, CustomStringConvertible {
    /// The line to show.
    public let description: String
}

/// An open reference file, read with the demands of a case: what is missing or misshapen is said by name.
///
/// Images are stored as `[N, C, H, W]` and handed out as `[N, H, W, C]`.
final class CaseFile {
    let path: String
    private let file: HDF5File

    init(_ path: String) throws {
        self.path = path
        file = try HDF5File.open(path)
    }

    func close() throws { try file.close() }

    func error(_ message: String) -> ConformanceError { ConformanceError(description: "\(path): \(message)") }

    func contains(_ name: String) -> Bool { file.root.contains(name) }

    /// Members of the group called `name`.
    func members(of name: String) throws -> [String] {
        guard file.root.isGroup(name) else { throw error("there is no group /\(name)") }
        return try file.root.group(name).names()
    }

    /// The text of a root attribute.
    func text(_ name: String) throws -> String {
        guard case .string(let value) = try file.root.attribute(name) else {
            throw error("there is no attribute '\(name)' that holds text")
        }
        return value
    }

    /// A root attribute that says yes or no.
    func flag(_ name: String) throws -> Bool {
        switch try file.root.attribute(name) {
        case .boolean(let value): return value
        case .integer(let value): return value != 0
        default: throw error("there is no attribute '\(name)' that is true or false")
        }
    }

    /// A root attribute of JSON.
    func json<T: Decodable>(_ name: String, as type: T.Type) throws -> T {
        do {
            return try JSONDecoder().decode(type, from: Data(text(name).utf8))
        } catch let failure as DecodingError {
            throw error("the attribute '\(name)' cannot be used: \(Self.explain(failure))")
        }
    }

    /// A tensor of any shape.
    func tensor(_ name: String) throws -> (shape: [Int], values: [Float]) {
        let dataset = try dataset(name)
        return (dataset.shape, try dataset.read(as: Float.self))
    }

    /// A tensor that must have `shape`.
    func tensor(_ name: String, shape: [Int]) throws -> [Float] {
        let (found, values) = try tensor(name)
        guard found == shape else { throw error("/\(name) has the shape \(found); \(shape) was expected") }
        return values
    }

    /// Images that are stored as `[N, C, H, W]` or `[leading…, N, C, H, W]`, as `[…, N, H, W, C]`.
    func images(_ name: String, shape: [Int]) throws -> [Float] {
        channelsLast(
            try tensor(name, shape: shape), channels: shape[shape.count - 3], pixels: shape.suffix(2).reduce(1, *))
    }

    func doubles(_ name: String, shape: [Int]) throws -> [Double] {
        let dataset = try dataset(name)
        guard dataset.shape == shape else {
            throw error("/\(name) has the shape \(dataset.shape); \(shape) was expected")
        }
        return try dataset.read(as: Double.self)
    }

    /// A single number, stored as a scalar or as an array of one.
    func double(_ name: String) throws -> Double {
        let dataset = try dataset(name)
        guard dataset.count == 1 else { throw error("/\(name) has the shape \(dataset.shape); a number was expected") }
        return try dataset.read(as: Double.self)[0]
    }

    func integers(_ name: String) throws -> [Int] { try dataset(name).read(as: Int64.self).map(Int.init) }

    func shape(_ name: String) throws -> [Int] { try dataset(name).shape }

    private func dataset(_ name: String) throws -> HDF5Dataset {
        guard file.root.isDataset(name) else { throw error("there is no data set /\(name)") }
        return try file.root.dataset(name)
    }

    private static func explain(_ failure: DecodingError) -> String {
        switch failure {
        case .keyNotFound(let key, _): "the key '\(key.stringValue)' is missing"
        case .typeMismatch(_, let context), .valueNotFound(_, let context), .dataCorrupted(let context):
            (context.codingPath.isEmpty ? "" : context.codingPath.map(\.stringValue).joined(separator: ".") + ": ")
                + context.debugDescription
        @unknown default: "\(failure)"
        }
    }
}

/// `[…, C, pixels] → […, pixels, C]`.
func channelsLast<Number>(_ values: [Number], channels: Int, pixels: Int) -> [Number] {
    let size = channels * pixels
    precondition(size > 0 && values.count % size == 0, "\(values.count) elements are no \(channels)×\(pixels) matrices")
    var result = values
    for start in stride(from: 0, to: values.count, by: size) {
        for c in 0..<channels {
            for pixel in 0..<pixels { result[start + pixel * channels + c] = values[start + c * pixels + pixel] }
        }
    }
    return result
}
