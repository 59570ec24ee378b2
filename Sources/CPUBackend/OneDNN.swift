import COneDNN
import TensorGraph

/// oneDNN refused to prepare or run something.
public struct OneDNNError: Error, CustomStringConvertible {
    /// The primitive with its dimensions.
    public let primitive: String
    /// What oneDNN says.
    public let reason: String
    public var description: String { "oneDNN: \(primitive): \(reason)" }
}

/// Turns a status of the shim into a thrown error; `primitive` is only evaluated on failure.
func checkOneDNN(_ status: Int32, _ primitive: @autoclosure () -> String) throws {
    if status != 0 {
        throw OneDNNError(primitive: primitive(), reason: String(cString: odnn_status_text(status)))
    }
}

/// oneDNN on the CPU with one thread.
final class OneDNNEngine {
    let handle: OpaquePointer

    init() throws {
        var out: OpaquePointer?
        try checkOneDNN(odnn_engine_create(&out), "engine for the CPU")
        guard let out else { throw OneDNNError(primitive: "engine for the CPU", reason: "none was made") }
        handle = out
    }

    deinit { odnn_engine_destroy(handle) }
}

/// A primitive of oneDNN with its operands in place.
final class OneDNNOperation {
    private let engine: OneDNNEngine
    private let handle: OpaquePointer
    private let name: String

    /// `make` calls a constructor of the shim; `name` is the primitive and its dimensions, for errors.
    init(_ engine: OneDNNEngine, name: String, make: (OpaquePointer, inout OpaquePointer?) -> Int32) throws {
        var out: OpaquePointer?
        try checkOneDNN(make(engine.handle, &out), "cannot prepare \(name)")
        guard let out else { throw OneDNNError(primitive: "cannot prepare \(name)", reason: "none was made") }
        self.engine = engine
        self.handle = out
        self.name = name
    }

    deinit { odnn_operation_destroy(handle) }

    func run() throws { try checkOneDNN(odnn_operation_run(handle), name) }

    /// The weights in the layout that the primitive wants.
    var derived: DerivedParameters { DerivedParameters(reload) }

    private func reload() throws { try checkOneDNN(odnn_operation_reload(handle), "weights of \(name)") }
}
