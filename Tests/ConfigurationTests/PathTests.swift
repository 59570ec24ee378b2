import Configuration
import Foundation
import TestSupport
import Testing

/// Paths in a configuration, and the names of presets.
@Suite struct ConfigurationPathTests {
    private let home = ProcessInfo.processInfo.environment["HOME"] ?? ""

    @Test func homeIsWrittenOut() throws {
        try #require(!home.isEmpty)
        func data(_ text: String, _ overrides: String...) throws -> String {
            try RunConfiguration.load(text: text, name: "run.yaml", overrides: overrides).data
        }
        #expect(try data("data: ~/x.h5") == home + "/x.h5")
        #expect(try data("data: '~/a b.h5'") == home + "/a b.h5")
        #expect(try data("{}", "data=~/x.h5") == home + "/x.h5")
        #expect(try data("{}", "data=~") == home)
        #expect(try data("data: a~/x.h5") == "a~/x.h5")
        #expect(try data("data: ./~x.h5") == "./~x.h5")
        // As it was stored.
        #expect(try RunConfiguration(json: #"{"data":"~/x.h5"}"#).data == "~/x.h5")
    }

    @Test func homesOfOthersAreRefused() {
        #expect(
            complaint("data: ~bob/x.h5") == "data is ~bob/x.h5 in run.yaml (line 1): ~ is your own home folder and "
                + "needs a / behind it; write other folders out, or ./~bob/x.h5 for a file of that name")
        #expect(complaint("{}", set: ["data=~x"]).hasPrefix("data is ~x in --set: ~ is your own home folder"))
        #expect(complaint("data: ~").contains("left empty"))
    }

    @Test func aRelativePathIsFromTheCurrentFolder() throws {
        var configuration = RunConfiguration()
        let here = FileManager.default.currentDirectoryPath
        for (path, absolute) in [("a/x.h5", here + "/a/x.h5"), ("./x.h5", here + "/x.h5"), ("/x.h5", "/x.h5")] {
            configuration.data = path
            #expect(configuration.absoluteData == absolute && configuration.stored.data == absolute)
        }
        configuration.data = "nowhere/x.h5"
        let error = #expect(throws: ConfigurationError.self) { try configuration.requireData() }
        #expect(
            error?.description == "there is no data set \(here)/nowhere/x.h5 (data is nowhere/x.h5, and relative paths "
                + "are from the folder that the job is started in): make it (smd dataset prepare --help), or name one: "
                + "--set data=FILE")
        configuration.data = "/nowhere.h5"
        let absolute = #expect(throws: ConfigurationError.self) { try configuration.requireData() }
        #expect(absolute?.description.hasPrefix("there is no data set /nowhere.h5: make it") == true)
    }

    @Test func presetsByName() throws {
        // The build lies inside the checkout, so the presets are found from any current directory.
        #expect(try Preset.path("fashion").hasSuffix("launch/presets/fashion.yaml"))
        for name in ["no-such-preset", "fashion.yaml", ""] {
            let error = #expect(throws: ConfigurationError.self) { try Preset.path(name) }
            let known = "the presets are cifar, classifier-fashion, fashion, grid, quickstart"
            #expect(error?.description == "there is no configuration \(name); \(known)")
        }
    }
}
