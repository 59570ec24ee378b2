/// What this build calls itself.
public enum Release {
    /// Version of smd: in `--version`, in every file it writes, and compared between ranks.
    public static let version = "0.1.0"
}
