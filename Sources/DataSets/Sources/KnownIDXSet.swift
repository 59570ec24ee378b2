/// A set of two IDX files that is known by what is in them: files of other sets have the same names.
public struct KnownIDXSet: Equatable, Sendable {
    /// What the set is called.
    public let name: String
    /// SHA-256 of the unpacked images.
    public let images: String
    /// SHA-256 of the unpacked labels.
    public let labels: String
    /// Names of the labels 0, 1, …
    public let labelNames: [String]

    /// All of it; see the properties.
    public init(name: String, images: String, labels: String, labelNames: [String]) {
        self.name = name
        self.images = images
        self.labels = labels
        self.labelNames = labelNames
    }

    /// Fashion-MNIST (Xiao, Rasul and Vollgraf, 2017), as Debian's package dataset-fashion-mnist has it.
    public static let fashionTrain = KnownIDXSet(
        name: "Fashion-MNIST, train", images: "c59f468a2f672dc815687fe0f83887768d799fd8a3f3276145d20f83aa44d888",
        labels: "bad3541b69d912435c50bb6ba87bec294ff4f6a2e1246121d8633921760443d9", labelNames: garments)
    /// The same, to test with.
    public static let fashionTest = KnownIDXSet(
        name: "Fashion-MNIST, test", images: "5b4141f0afbad91edebe8549f8fcffe087ea10ca49f1dbef5c9a5cd8815ce37b",
        labels: "0402a96d92fd2663957122ceb108a494c5af83dab82d92729df917d7dec38c34", labelNames: garments)

    private static let garments = [
        "T-shirt/top", "trouser", "pullover", "dress", "coat", "sandal", "shirt", "sneaker", "bag", "ankle boot",
    ]
}
