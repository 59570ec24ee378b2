/// Memory of a backend: float32 elements that only the backend can touch in place.
public protocol Memory: AnyObject {
    /// Number of float32 elements.
    var count: Int { get }
    /// Copies `values` to the elements from `offset` on.
    func write(_ values: [Float], at offset: Int)
    /// Copies out the elements of `range`.
    func read(_ range: Range<Int>) -> [Float]
    /// Sets the elements of `range` to zero.
    func clear(_ range: Range<Int>)
}

/// Where an operand of an operation lies, and its shape. Offsets are multiples of 16 elements (64 bytes).
public struct Operand {
    public let memory: any Memory
    public let offset: Int
    public let shape: [Int]

    public init(memory: any Memory, offset: Int, shape: [Int]) {
        self.memory = memory
        self.offset = offset
        self.shape = shape
    }

    /// Number of elements.
    public var count: Int { shape.reduce(1, *) }
}

/// What operations derive from parameters and keep: weights in another layout. Operations may share one.
public final class DerivedParameters {
    /// Derives it anew; to be called after each change of the parameters, before the next run.
    public let rebuild: () throws -> Void

    public init(_ rebuild: @escaping () throws -> Void) { self.rebuild = rebuild }
}

/// An operation with its operands in place, ready to run any number of times without allocating.
public struct PreparedOperation {
    /// Runs it once.
    public let run: () throws -> Void
    /// What it keeps of parameters, each derived from those before it.
    public let derived: [DerivedParameters]

    public init(run: @escaping () throws -> Void, derived: [DerivedParameters]) {
        self.run = run
        self.derived = derived
    }

    public init(run: @escaping () throws -> Void, derived: DerivedParameters? = nil) {
        self.init(run: run, derived: derived.map { [$0] } ?? [])
    }
}

/// What a kind of device must be able to do: make memory, and prepare one operation at a time.
public protocol Backend: AnyObject {
    /// Room for `count` float32 elements, zeroed and aligned to 64 bytes.
    ///
    /// - Throws: when the system has not so much memory; the message says how much was asked for.
    func allocate(count: Int) throws -> any Memory

    /// Makes `operation` ready to run on operands at fixed places, in the order listed in ``Operation``.
    func prepare(_ operation: Operation, inputs: [Operand], outputs: [Operand]) throws -> PreparedOperation
}
