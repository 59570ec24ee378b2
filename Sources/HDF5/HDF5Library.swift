import CHDF5

/// The libhdf5 that this program runs with.
public enum HDF5Library {
    /// For instance "1.10.8".
    public static var version: String {
        var (major, minor, release): (UInt32, UInt32, UInt32) = (0, 0, 0)
        return chdf5_version(&major, &minor, &release) == 0 ? "\(major).\(minor).\(release)" : "unknown"
    }
}
