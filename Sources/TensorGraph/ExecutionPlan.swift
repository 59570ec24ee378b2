/// Where each parameter lies in the flat arenas (parameters, gradients, moments and averages share one layout).
///
/// Parameters are laid out in the order in which the backward pass finishes their gradients, so that a range of the
/// gradient arena is complete early and its all-reduce can overlap the rest.
public struct ParameterLayout: Sendable {
    /// The parameters in arena order.
    public let parameters: [Parameter]
    /// First element of each, a multiple of 16.
    public let offsets: [Int]
    /// Elements of the whole arena.
    public let count: Int
    private let index: [String: Int]

    /// Lays out `parameters` in the given order.
    public init(_ parameters: [Parameter]) {
        self.parameters = parameters
        var offsets: [Int] = []
        var end = 0
        for parameter in parameters {
            offsets.append(end)
            end += aligned(parameter.count)
        }
        self.offsets = offsets
        count = end
        index = Dictionary(uniqueKeysWithValues: parameters.enumerated().map { ($1.name, $0) })
    }

    /// The elements of the parameter called `name`.
    public func range(_ name: String) -> Range<Int>? {
        index[name].map { offsets[$0]..<(offsets[$0] + parameters[$0].count) }
    }
}

/// Elements rounded up to a cache line of 16 floats.
private func aligned(_ count: Int) -> Int { (count + 15) / 16 * 16 }

/// A graph with a place for every value: the list of operations, and offsets in arenas sized by liveness.
public struct ExecutionPlan {
    /// The values of the graph.
    public let values: [Value]
    /// Operations in order of execution.
    public let nodes: [Node]
    /// Named inputs.
    public let inputs: [String: Int]
    /// Named results.
    public let results: [String: Int]
    /// Where the parameters lie.
    public let layout: ParameterLayout
    /// Offset in the activation arena of each input and intermediate.
    public let activationOffsets: [Int: Int]
    /// Elements of the activation arena.
    public let activationCount: Int
    /// Declaration index of each parameter → index in ``layout``.
    let layoutIndex: [Int]
    /// Index of the last node that adds to the gradient of each parameter of ``layout``; nil where none does.
    let lastWriter: [Int?]

    /// Plans `graph`.
    ///
    /// - Parameter layout: where the parameters lie, if that is already decided (an inference graph uses the layout of
    ///   the training graph); it must hold every parameter of the graph.
    public init(_ graph: Graph, layout: ParameterLayout? = nil) {
        values = graph.values
        nodes = graph.nodes
        results = graph.results
        var inputs: [String: Int] = [:]
        for (id, value) in graph.values.enumerated() {
            if case .input(let name) = value.role { inputs[name] = id }
        }
        self.inputs = inputs
        var writer: [Int: Int] = [:]
        for (index, node) in graph.nodes.enumerated() {
            for output in node.outputs {
                if case .parameterGradient(let parameter) = graph.values[output].role { writer[parameter] = index }
            }
        }
        let order = graph.parameters.indices.sorted {
            (writer[$0] ?? Int.max, $0) < (writer[$1] ?? Int.max, $1)
        }
        let chosen = layout ?? ParameterLayout(order.map { graph.parameters[$0] })
        let places = Dictionary(uniqueKeysWithValues: chosen.parameters.enumerated().map { ($1.name, $0) })
        layoutIndex = graph.parameters.map { parameter in
            guard let place = places[parameter.name], chosen.parameters[place].shape == parameter.shape else {
                preconditionFailure("the layout has no \(parameter.name) of shape \(parameter.shape)")
            }
            return place
        }
        var lastWriter = [Int?](repeating: nil, count: chosen.parameters.count)
        for (parameter, index) in writer { lastWriter[layoutIndex[parameter]] = index }
        self.lastWriter = lastWriter
        self.layout = chosen
        (activationOffsets, activationCount) = Placement(graph).place()
    }

    /// Bytes of the activation arena.
    public var activationBytes: Int { activationCount * MemoryLayout<Float>.stride }

    /// Ranges of the gradient arena that become complete one after the other, each with the node after which it is,
    /// of at least `minimumCount` elements (but for the last).
    public func gradientBuckets(minimumCount: Int) -> [(range: Range<Int>, readyAfter: Int)] {
        var buckets: [(range: Range<Int>, readyAfter: Int)] = []
        var start = 0
        var ready = 0
        for index in layout.parameters.indices {
            ready = max(ready, lastWriter[index] ?? 0)
            let end = index + 1 < layout.offsets.count ? layout.offsets[index + 1] : layout.count
            if end - start >= minimumCount || end == layout.count {
                buckets.append((start..<end, ready))
                start = end
            }
        }
        return buckets
    }
}

/// Gives every activation a place in one arena such that values alive at the same time never overlap.
private struct Placement {
    /// One block of memory: a value, or several that take it over from each other.
    private struct Block {
        var count: Int
        var first: Int
        var last: Int
    }

    private let graph: Graph
    private var blocks: [Block] = []
    private var blockOfValue: [Int: Int] = [:]

    init(_ graph: Graph) {
        self.graph = graph
        let end = graph.nodes.count
        var lastUse: [Int: Int] = [:]
        for (index, node) in graph.nodes.enumerated() { for input in node.inputs { lastUse[input] = index } }
        for value in graph.results.values { lastUse[value] = end }
        for (value, info) in graph.values.enumerated() {
            if case .input = info.role { add(value, first: -1, last: end) }  // so that a run can be repeated
        }
        for (index, node) in graph.nodes.enumerated() {
            var taken: Set<Int> = []
            for (position, output) in node.outputs.enumerated()
            where [.intermediate, .unread].contains(graph.values[output].role) {
                let heir = graph.traits(of: node).sharablePairs.first { pair in
                    pair.output == position && !taken.contains(pair.input)
                        && canTakeOver(node.inputs[pair.input], by: output, at: index, lastUse, node)
                }
                if let heir, let block = blockOfValue[node.inputs[heir.input]] {
                    taken.insert(heir.input)
                    blockOfValue[output] = block
                    blocks[block].last = max(lastUse[output] ?? index, index)
                } else {
                    add(output, first: index, last: lastUse[output] ?? index)
                }
            }
        }
    }

    private mutating func add(_ value: Int, first: Int, last: Int) {
        blockOfValue[value] = blocks.count
        blocks.append(Block(count: aligned(graph.values[value].count), first: first, last: last))
    }

    /// True when `output` may live in the memory of `input`: it is read for the last time here, and only once.
    private func canTakeOver(_ input: Int, by output: Int, at index: Int, _ lastUse: [Int: Int], _ node: Node) -> Bool {
        graph.values[input].role == .intermediate && lastUse[input] == index
            && graph.values[input].count == graph.values[output].count
            && node.inputs.filter { $0 == input }.count == 1
    }

    /// Greedy by size: the largest block first, each at the lowest offset where no neighbour in time lies.
    func place() -> (offsets: [Int: Int], count: Int) {
        var placed: [(block: Block, offset: Int)] = []
        var offsets = [Int](repeating: 0, count: blocks.count)
        var total = 0
        let order = blocks.indices.sorted { (blocks[$1].count, $0) < (blocks[$0].count, $1) }
        for index in order {
            let block = blocks[index]
            var offset = 0
            // `placed` is kept sorted by offset, so one walk finds the first gap.
            for other in placed where other.block.first <= block.last && block.first <= other.block.last {
                if offset + block.count <= other.offset { break }
                offset = max(offset, other.offset + other.block.count)
            }
            offsets[index] = offset
            total = max(total, offset + block.count)
            let position = placed.firstIndex { $0.offset > offset } ?? placed.count
            placed.insert((block, offset), at: position)
        }
        return (blockOfValue.mapValues { offsets[$0] }, total)
    }
}
