import CPUBackend
import Files
import TensorGraph

/// Fills an arena of `layout` from a checkpoint's tensors.
///
/// - Parameter read: copies the values of the named tensor to their place.
/// - Throws: ``RunError`` when a tensor is missing, unknown, or of another shape; what `read` throws.
package func load(
    _ tensors: [(name: String, shape: [Int])], _ layout: ParameterLayout, into memory: CPUMemory, of what: String,
    read: (String, UnsafeMutableBufferPointer<Float>) throws -> Void
) throws {
    let known = Dictionary(uniqueKeysWithValues: zip(layout.parameters, layout.offsets).map { ($0.name, ($0, $1)) })
    var missing = Set(known.keys)
    for (name, shape) in tensors {
        // To a dictionary, other normal forms of the same characters are the same name.
        guard let (parameter, offset) = known[name], parameter.name.hasSameBytes(as: name) else {
            throw RunError("\(what) holds the tensor \(name), which this architecture does not have")
        }
        guard parameter.shape == shape else {
            throw RunError(
                "\(what) holds \(name) with shape \(shape), this architecture wants \(parameter.shape)")
        }
        try read(name, UnsafeMutableBufferPointer(rebasing: memory.elements[offset..<offset + parameter.count]))
        missing.remove(name)
    }
    if let name = missing.min() {
        throw RunError("\(what) lacks \(missing.count) tensors of this architecture, \(name) among them")
    }
}
