import Communication

/// Something that stops a run and that every rank finds alike, because it follows from what all have in common.
struct AgreedRunError: AgreedError, CustomStringConvertible {
    let description: String

    init(_ description: String) { self.description = description }
}
