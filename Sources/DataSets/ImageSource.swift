import Files

/// Images that a data set is made of: files in a folder or an archive, or arrays of pixels.
///
/// They are read in the order of their places. Where ``isOrdered``, that is the order of the samples; otherwise samples are
/// ordered by the bytes of their names, so that the same files in a folder and in any archive make the same data set.
public protocol ImageSource: Sendable {
    /// What stands before the names in messages: the path of the folder or file.
    var path: String { get }
    /// Images to be tried.
    var count: Int { get }
    /// The name of one, from the root of the source.
    func name(_ place: Int) -> BytePath
    /// Bytes of one as it lies in the source, about.
    func bytes(_ place: Int) -> Int
    var isOrdered: Bool { get }
    /// What else is there and cannot be an image, and why.
    var skipped: [SkippedEntry] { get }
    /// Files and folders left out because they are hidden.
    var hidden: Int { get }
    /// What the source itself says the images show.
    var labels: SourceLabels { get }
    /// The content of a file beside the images, such as a list of labels; nil where there is none of that name.
    func companion(_ name: String) throws -> [UInt8]?
    /// Begins to read.
    func reader() throws -> any ImageReader
}

extension ImageSource {
    public var isOrdered: Bool { false }
    public var skipped: [SkippedEntry] { [] }
    public var hidden: Int { 0 }
    public var labels: SourceLabels { .byFolder }
    public func companion(_ name: String) throws -> [UInt8]? { nil }
}

/// Images that have numbers for names, in whose order the samples are.
public protocol NumberedImages: ImageSource {}

extension NumberedImages {
    public var isOrdered: Bool { true }
    public func name(_ place: Int) -> BytePath { BytePath("\(place)") }
}

/// Something in a source that is no image, and why.
public struct SkippedEntry: Equatable, Sendable {
    /// Its name from the root of the source.
    public let path: BytePath
    /// What is wrong with it.
    public let reason: String
}

/// What a source says its images show.
public enum SourceLabels: Sendable {
    /// The names of sub-folders.
    case byFolder
    /// A number for each image, and names of the numbers 0, 1, … where they are known.
    case numbers([Int], names: [String]?)
    case none
}

/// Reads a source forward.
public protocol ImageReader: AnyObject {
    /// The images `range`, which begins at or behind the end of the range before. What is left to be done for each may be
    /// done on any thread.
    func read(_ range: Range<Int>) throws -> [@Sendable () throws -> ImageContent]
}

/// An image as a source has it.
public enum ImageContent: Sendable {
    /// A file of any of the formats that are read.
    case file([UInt8])
    case pixels(RasterImage)
}
