import ArgumentParser
import DataSets
import Files

/// What commands share that make samples of images.
struct ImagePreparationOptions: ParsableArguments {
    @Option(help: "How sizes are changed: \(ResizeFilter.allNames), as in Pillow; when shrinking they widen.")
    var filter = ResizeFilter.triangle

    @Option(
        help: "cover: the short side becomes --size, the rest is cropped; contain: the long side, the rest is filled.")
    var fit = ImageTreatment.Fit.cover

    @Option(help: "What is kept of an image that covers: centre, a random place, or none: all of it, distorted.")
    var crop = ImageTreatment.Crop.centre

    @Option(help: "Seed of random crops.")
    var cropSeed: UInt64 = 0

    @Option(
        help: ArgumentHelp(
            "Under transparent pixels and around images that are contained: white, black, grey or RRGGBB.",
            valueName: "colour"))
    var background = Colour(rgb: [255, 255, 255], text: "white")

    @Option(help: "Exact copies of an image before: keep or drop.")
    var duplicates = ImageRules.Duplicates.keep

    @Flag(help: "Do not keep the name and SHA-256 of what every sample was made of (/sources).")
    var noSources = false

    @Flag(help: "Stop at the first thing that cannot be read, and where only some images lie in sub-folders.")
    var strict = false

    @Option(help: ArgumentHelp("Memory to be taken at most, about.", valueName: "size"))
    var memory = ByteCount(bytes: 1 << 30)

    func validate() throws {
        guard memory.bytes >= 64 << 20 else { throw ValidationError("--memory must be at least 64MB, not \(memory)") }
        if fit == .contain, crop != .centre {
            throw ValidationError("--crop \(crop.rawValue) means nothing with --fit contain, which crops nothing")
        }
    }

    /// The rules that are asked for.
    func rules(size: Int, channels: Int) -> ImageRules {
        var treatment = ImageTreatment(size: size, channels: channels)
        (treatment.filter, treatment.fit, treatment.crop) = (filter, fit, crop)
        (treatment.background, treatment.seed) = (background.rgb, cropSeed)
        var rules = ImageRules(treatment)
        (rules.strict, rules.duplicates, rules.keepsSources, rules.memory) = (
            strict, duplicates, !noSources, memory.bytes
        )
        return rules
    }

    /// Those that change the data set and are not as they are without.
    var arguments: [String] {
        var arguments: [String] = []
        if filter != .triangle { arguments += ["--filter", filter.rawValue] }
        if fit != .cover { arguments += ["--fit", fit.rawValue] }
        if crop != .centre { arguments += ["--crop", crop.rawValue] }
        if crop == .random { arguments += ["--crop-seed", "\(cropSeed)"] }
        if background.text != "white" { arguments += ["--background", background.text] }
        if duplicates != .keep { arguments += ["--duplicates", duplicates.rawValue] }
        return arguments + (noSources ? ["--no-sources"] : []) + (strict ? ["--strict"] : [])
    }
}

/// Height, width and channels of the samples.
func checkSampleSize(_ size: Int?, _ channels: Int?) throws {
    if let size, !(1...4096).contains(size) { throw ValidationError("--size must be 1 to 4096, not \(size)") }
    if let channels, channels != 1 && channels != 3 {
        throw ValidationError("--channels must be 1 (grey) or 3 (colour), not \(channels)")
    }
}

extension PreparedImages {
    /// "60000 images of 32×32×1; 10 classes".
    func words(size: Int, channels: Int, dropped: Bool = false) -> String {
        let facts =
            [
                "\(written) images of \(size)×\(size)×\(channels)",
                classes.map { "\($0) \($0 == 1 ? "class" : "classes")" } ?? "no labels",
            ] + (skipped > 0 ? ["\(skipped) skipped"] : []) + (hidden > 0 ? ["\(hidden) hidden left out"] : [])
            + (duplicates > 0 ? ["\(duplicates) exact copies of others" + (dropped ? " left out" : "")] : [])
        return facts.joined(separator: "; ")
    }
}

/// A colour by name or as RRGGBB.
struct Colour: ExpressibleByArgument, CustomStringConvertible {
    let rgb: [UInt8]
    let text: String
    var description: String { text }
    var defaultValueDescription: String { text }

    init(rgb: [UInt8], text: String) { (self.rgb, self.text) = (rgb, text) }

    init?(argument: String) {
        text = argument
        switch argument {
        case "white": rgb = [255, 255, 255]
        case "black": rgb = [0, 0, 0]
        case "grey", "gray": rgb = [128, 128, 128]
        default:
            let digits = argument.hasPrefix("#") ? String(argument.dropFirst()) : argument
            guard digits.utf8.count == 6, let number = UInt32(digits, radix: 16) else { return nil }
            rgb = [UInt8(number >> 16), UInt8(number >> 8 & 255), UInt8(number & 255)]
        }
    }
}

extension CaseIterable where Self: RawRepresentable, RawValue == String {
    /// "box, triangle, bicubic or lanczos".
    static var allNames: String {
        let names = allCases.map(\.rawValue)
        return names.dropLast().joined(separator: ", ") + " or " + (names.last ?? "")
    }
}

extension ResizeFilter: ExpressibleByArgument {}
extension ImageTreatment.Fit: ExpressibleByArgument {}
extension ImageTreatment.Crop: ExpressibleByArgument {}
extension ImageRules.Duplicates: ExpressibleByArgument {}
extension PixelArray.Layout: ExpressibleByArgument {}
