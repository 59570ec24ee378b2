import Foundation
import TestSupport
import Testing

/// The command as a user or a script meets it.
@Suite struct ConformanceCommandTests {
    let good = goldenFolder + "/schedules.h5"

    @Test func successEndsWithZero() throws {
        let result = try run(
            [product("smd"), "conformance", good, goldenFolder + "/smd-x0-cosine-vector2.h5"], timeout: 120)
        #expect(result.status == 0)
        #expect(result.output.contains("2 of 2 files pass") && result.output.contains("gradients"))
        #expect(result.errors.isEmpty)
    }

    /// Each precision that runs here has its tolerances; one that does not is refused, not replaced.
    @Test func precisionIsChosen() throws {
        let command = [product("smd"), "conformance", goldenFolder + "/smd-x0-cosine-vector2.h5", "--precision"]
        let emulated = try run(command + ["bf16-emulated"], timeout: 60)
        #expect(emulated.status == 0 && emulated.output.contains("6e-02 relative"), "\(emulated)")
        let native = try run(command + ["bf16"], timeout: 60)
        if Processor.hasTiles || Processor.hasFastVectors {
            #expect(native.status == 0 && native.output.contains("6e-02 relative"), "\(native)")
        } else {
            #expect(native.status == 1 && native.errors.contains("no fast bf16"), "\(native)")
        }
    }

    @Test func aMissEndsWithOne() throws {
        let edited = EditedCase(edits: ["linear/T10/betas": { values in values.map { $0 * 1.001 } }])
        try edited.with("schedules") { path in
            let result = try run([product("smd"), "conformance", path, good], timeout: 60)
            #expect(result.status == 1)
            #expect(result.output.contains("MISS") && result.output.contains("1 of 2 files pass"))
        }
    }

    @Test func anUnreadableFileEndsWithOneAndOneLine() throws {
        let result = try run([product("smd"), "conformance", "/nowhere/case.h5", good], timeout: 60)
        #expect(result.status == 1)
        #expect(result.errors.split(separator: "\n").count == 1 && result.errors.contains("/nowhere/case.h5"))
        #expect(result.output.contains("1 of 2 files pass"))
    }

    @Test func jsonHoldsEveryFile() throws {
        let result = try run([product("smd"), "conformance", "--json", good, "/nowhere/case.h5"], timeout: 60)
        let object = try JSONSerialization.jsonObject(with: Data(result.output.utf8)) as? [String: Any]
        let files = object?["files"] as? [[String: Any]]
        #expect(result.status == 1 && object?["passes"] as? Bool == false)
        #expect(files?.map { $0["passes"] as? Bool } == [true, false])
        let report = files?.first?["report"] as? [String: Any]
        let measurement = (report?["measurements"] as? [[String: Any]])?.first
        #expect(measurement?["quantity"] as? String == "betas" && measurement?["error"] is Double)
        #expect(files?.last?["error"] is String)
    }
}
