import Configuration
import Testing

/// The message of loading `text` as "run.yaml", or a note that it was accepted.
func complaint(_ text: String, set overrides: [String] = []) -> String {
    do {
        _ = try RunConfiguration.load(text: text, name: "run.yaml", overrides: overrides)
        return "(accepted)"
    } catch {
        return "\(error)"
    }
}

/// The message of validating a configuration that is right but for `change`, or a note that it was accepted.
func complaint(ranks: Int = 1, _ change: (inout RunConfiguration) -> Void) -> String {
    var configuration = RunConfiguration()
    configuration.data = "data.h5"
    change(&configuration)
    do {
        try configuration.validate(ranks: ranks)
        return "(accepted)"
    } catch {
        return "\(error)"
    }
}
