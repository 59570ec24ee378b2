import Foundation
import TestSupport
import Testing

/// libhdf5 loads shared objects that HDF5_PLUGIN_PATH leads to, when a file asks for a filter that it does not know.
/// Once this package has used it, it does not.
@Suite struct PluginTests {
    /// A filter that leaves a file behind when it is loaded. The struct is H5Z_class2_t.
    private static let source = """
        #include <stdio.h>
        #include <stdlib.h>
        __attribute__((constructor)) static void loaded(void) {
            FILE *mark = fopen(getenv("SMD_TEST_MARK"), "w");
            if (mark) fclose(mark);
        }
        static size_t pass(unsigned flags, size_t n, const unsigned *values, size_t bytes, size_t *room, void **data) {
            return bytes;
        }
        static const struct {
            int version, id;
            unsigned encodes, decodes;
            const char *name;
            void *applies, *prepare;
            size_t (*run)(unsigned, size_t, const unsigned *, size_t, size_t *, void **);
        } filter = {1, 40000, 1, 1, "mark", NULL, NULL, pass};
        int H5PLget_plugin_type(void) { return 0; }
        const void *H5PLget_plugin_info(void) { return &filter; }
        """

    @Test func noCodeIsLoaded() throws {
        try withTemporaryDirectory { folder in
            let source = folder + "/mark.c"
            try Self.source.write(toFile: source, atomically: true, encoding: .utf8)
            // The Swift toolchain brings its own C compiler.
            let made = try run(["clang", "-shared", "-fPIC", "-o", folder + "/libmark.so", source], timeout: 60)
            try #require(made.status == 0, "\(made.errors)")

            let mark = folder + "/mark"
            let environment = ["HDF5_PLUGIN_PATH": folder, "SMD_TEST_MARK": mark]
            func isFilterFound(after file: String) throws -> String {
                let result = try run(
                    [product("storage-program"), "filter", file], environment: environment, timeout: 60)
                #expect(result.status == 0, "\(result.errors)")
                return result.output
            }
            let hostile = repositoryFolder + "/Tests/Fixtures/hdf5/hostile.h5"
            #expect(try isFilterFound(after: hostile) == "false\n")
            #expect(!FileManager.default.fileExists(atPath: mark))
            // libhdf5 by itself does load it: the test would notice.
            #expect(try isFilterFound(after: "none") == "true\n")
            #expect(FileManager.default.fileExists(atPath: mark))
        }
    }
}
