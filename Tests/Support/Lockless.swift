import Foundation

/// File systems that lack locks, or whose server does not answer for them, as a preloaded library imitates them.
public enum Lockless: String, CaseIterable, Sendable {
    case flock = "flock", fcntl = "fcntl", both = "flock and fcntl"

    /// What such file systems say: NFS without its lock daemon, kernels and FUSE without locks, a broken mount.
    public static let errors = [ENOLCK, ENOSYS, EIO]

    private static let source = """
        #define _GNU_SOURCE
        #include <dlfcn.h>
        #include <errno.h>
        #include <fcntl.h>
        #include <stdarg.h>
        #include <stdlib.h>
        static int refused(const char *name) {
            const char *number = getenv(name);
            if (number) errno = atoi(number);
            return number != NULL;
        }
        int flock(int file, int operation) {
            if (refused("SMD_TEST_NO_FLOCK")) return -1;
            return ((int (*)(int, int))dlsym(RTLD_NEXT, "flock"))(file, operation);
        }
        static int control(const char *name, int file, int command, void *argument) {
            int locks = command == F_GETLK || command == F_SETLK || command == F_SETLKW ||
                        (command >= F_OFD_GETLK && command <= F_OFD_SETLKW);
            if (locks && refused("SMD_TEST_NO_FCNTL")) return -1;
            return ((int (*)(int, int, ...))dlsym(RTLD_NEXT, name))(file, command, argument);
        }
        int fcntl(int file, int command, ...) {
            va_list list;
            va_start(list, command);
            void *argument = va_arg(list, void *);
            va_end(list);
            return control("fcntl", file, command, argument);
        }
        int fcntl64(int file, int command, ...) {
            va_list list;
            va_start(list, command);
            void *argument = va_arg(list, void *);
            va_end(list);
            return control("fcntl64", file, command, argument);
        }
        """

    /// Builds the library in `folder`; returns its path.
    public static func preloaded(in folder: String) throws -> String {
        let (source, library) = (folder + "/lockless.c", folder + "/lockless.so")
        try Self.source.write(toFile: source, atomically: true, encoding: .utf8)
        // The Swift toolchain brings its own C compiler.
        let made = try run(["clang", "-shared", "-fPIC", "-o", library, source, "-ldl"], timeout: 60)
        guard made.status == 0 else { throw SubprocessError(description: made.errors) }
        return library
    }

    /// The environment of a program on such a file system.
    public func environment(_ library: String, error: Int32) -> [String: String] {
        var variables = ["LD_PRELOAD": library]
        if self != .fcntl { variables["SMD_TEST_NO_FLOCK"] = "\(error)" }
        if self != .flock { variables["SMD_TEST_NO_FCNTL"] = "\(error)" }
        return variables
    }
}
