import Foundation
import HDF5
import TestSupport
import Testing

/// Where a message says what to do, that is done here, and helps.
@Suite(.enabled(if: Ability.time.isGiven, "\(Ability.time)"))
struct CommandAdviceTests {
    // MARK: Running what a message says

    /// Runs a line of a shell in `folder`, with `smd` and this package's `launch` in reach.
    private func shell(_ line: some StringProtocol, in folder: String) throws -> (
        status: Int32, output: String, errors: String
    ) {
        let path = ProcessInfo.processInfo.environment["PATH"] ?? ""
        let products = URL(fileURLWithPath: product("smd")).deletingLastPathComponent().path
        return try run(
            ["env", "--chdir", folder, "bash", "-c", String(line)],
            environment: ["PATH": ([products, Self.python ?? "", path].filter { !$0.isEmpty }).joined(separator: ":")],
            timeout: 120)
    }

    /// The error of a command line that fails.
    private func complaint(_ line: String, in folder: String) throws -> String {
        let result = try shell(line, in: folder)
        #expect(result.status != 0, "\(line): \(result.output)")
        #expect(result.errors.split(separator: "\n").count == 1, "\(line): \(result.errors)")
        return result.errors.trimmingCharacters(in: .newlines)
    }

    /// What `pattern` finds in a message.
    private func find(_ pattern: String, in message: String) throws -> String {
        let found = try Regex(pattern).firstMatch(in: message)
        return String(try #require(found, "no \(pattern) in: \(message)").output[1].substring ?? "")
    }

    private func expectSuccess(_ line: some StringProtocol, in folder: String) throws {
        let result = try shell(line, in: folder)
        #expect(result.status == 0, "\(line): \(result.errors)")
    }

    /// The folder of a Python that has h5py, the system's before the one in PATH (""); nil without one.
    private static let python: String? = ["/usr/bin", ""].first { has("h5py", in: $0) }

    private static func has(_ module: String, in folder: String?) -> Bool {
        guard let folder else { return false }
        let program = folder.isEmpty ? "python3" : folder + "/python3"
        return (try? run([program, "-c", "import \(module)"], timeout: 60).status) == 0
    }

    // MARK: HDF5 files of other people

    private static let images = (0..<4 * 64).map { UInt8($0 / 8 * 8) }

    private func expectImages(_ path: String) throws {
        let root = try HDF5File.open(path).root
        #expect(try root.dataset("images").read(as: UInt8.self) == Self.images)
        #expect(try root.dataset("labels").read(as: Int32.self) == [0, 1, 2, 3])
    }

    /// The command of the message about OLD.h5 in `folder` makes NEW.h5, which can be used.
    private func expectCopyHelps(_ pattern: String, in folder: String) throws {
        let command = try find(pattern, in: complaint("smd dataset info OLD.h5", in: folder))
        try expectSuccess(command, in: folder)
        try expectSuccess("smd dataset info NEW.h5", in: folder)
        try expectImages(folder + "/NEW.h5")
    }

    /// Filters that libhdf5 brings: h5repack writes them here, and takes them away again.
    @Test(arguments: ["SZIP=8,NN", "NBIT", "SOFF=0,IN"]) func filtersOfTheLibrary(filter: String) throws {
        try withTemporaryDirectory { folder in
            let file = try HDF5File.create(folder + "/plain.h5")
            try file.root.write(Self.images, shape: [4, 8, 8, 1], to: "images")
            try file.root.write([0, 1, 2, 3] as [Int32], shape: [4], to: "labels")
            try file.close()
            let chunks = "-l images:CHUNK=4x8x8x1"
            try expectSuccess("h5repack -m 1 \(chunks) -f images:\(filter) plain.h5 OLD.h5", in: folder)
            try expectCopyHelps("(h5repack .*)$", in: folder)
        }
    }

    /// What h5repack makes nothing of, and says nothing about: filters that it lacks, and data elsewhere.
    @Test(.enabled(if: python != nil, "no h5py: launch/setup --with python3-h5py"))
    func copiesWithH5py() throws {
        for name in ["lzf", "linked", "virtual", "external"] {
            try withTemporaryDirectory { folder in
                try copyFixture(name, to: folder)
                try expectCopyHelps("(python3 -c .*)$", in: folder)
            }
        }
    }

    @Test(.enabled(if: has("h5py, hdf5plugin", in: python), "no hdf5plugin, which is no Debian package"))
    func copiesWithPlugins() throws {
        try withTemporaryDirectory { folder in
            try copyFixture("zstd", to: folder)
            try expectCopyHelps("(python3 -c .*)$", in: folder)
        }
    }

    private func copyFixture(_ name: String, to folder: String) throws {
        let fixtures = repositoryFolder + "/Tests/Fixtures/hdf5/copied/"
        for (file, place) in [(name + ".h5", "OLD.h5"), ("source.h5", "source.h5"), ("external.bin", "external.bin")] {
            try FileManager.default.copyItem(atPath: fixtures + file, toPath: folder + "/" + place)
        }
    }

    /// h5repack is advised for no filter that it lacks.
    @Test(arguments: ["lzf", "zstd"]) func noRepackOfPlugins(name: String) throws {
        let path = repositoryFolder + "/Tests/Fixtures/hdf5/copied/\(name).h5"
        let message = try complaint("smd dataset info \(path)", in: "/")
        #expect(!message.contains("h5repack") && message.contains("python3 -c "), "\(message)")
    }

    // MARK: Data sets

    /// A folder of images in place of a data set, with a name that a shell would divide.
    @Test func folderInPlaceOfADataSet() throws {
        try withTemporaryDirectory { folder in
            try FileManager.default.createDirectory(
                atPath: folder + "/my 'own' images", withIntermediateDirectories: true)
            try expectSuccess("smd dataset prepare gaussian-grid --count 10 --output points.h5", in: folder)
            try expectSuccess("smd dataset preview points.h5 --output 'my '\\''own'\\'' images/1.png'", in: folder)
            let message = try complaint("smd dataset info my*", in: folder)
            try expectSuccess(find("with: (smd dataset prepare .*)$", in: message), in: folder)
            try expectSuccess("smd dataset info data.h5", in: folder)
        }
    }

    @Test func missingDataSet() throws {
        try withTemporaryDirectory { folder in
            let told = try complaint("smd dataset info nothing.h5", in: folder)
            try expectSuccess(find("\"(smd dataset .*)\" tells", in: told), in: folder)
            let refused = try complaint("smd train grid --output run", in: folder)
            try expectSuccess(find("make it \\((.*)\\), or", in: refused), in: folder)
            try expectSuccess("smd dataset prepare gaussian-grid --count 64 --output FILE", in: folder)
            let setting = try find("(--set data=FILE)", in: refused)
            let settings = "--set steps=1 --set batch_size=8 --set preview_every=0 \(setting)"
            try expectSuccess("smd train grid --output run \(settings)", in: folder)
        }
    }

    /// A name that is taken, a folder that is missing, a name that promises another form.
    @Test func namesOfOutputs() throws {
        try withTemporaryDirectory { folder in
            let make = "smd dataset prepare gaussian-grid --count 64"
            try expectSuccess("\(make) --output a.h5", in: folder)
            for line in ["\(make) --output a.h5", "smd dataset preview a.h5 --output a.png"] {
                if line.contains("png") { try expectSuccess(line, in: folder) }
                let message = try complaint(line, in: folder)
                try expectSuccess("\(line) \(find("(--overwrite)", in: message))", in: folder)
            }
            let refused = try complaint("\(make) --output b/a.h5", in: folder)
            let missing = try find("no folder (.*); make it first", in: refused)
            try expectSuccess("mkdir \(missing) && \(make) --output b/a.h5", in: folder)
            let sharded = try find("ends in (.json)", in: complaint("\(make) --shard-size 9 --output s.h5", in: folder))
            try expectSuccess("\(make) --shard-size 9 --output s\(sharded)", in: folder)
            let whole = try complaint("\(make) --output t.json", in: folder)
            try expectSuccess("\(make) --output t.json \(find("give (--shard-size)", in: whole)) 9", in: folder)
            try expectSuccess("\(make) --output t\(find("or a name that ends in (.h5)", in: whole))", in: folder)
        }
    }

    @Test func tooLargeAPicture() throws {
        try withTemporaryDirectory { folder in
            let file = try HDF5File.create(folder + "/large.h5")
            try file.root.write([UInt8](repeating: 7, count: 40 * 256 * 256), shape: [40, 256, 256, 1], to: "images")
            try file.close()
            let line = "smd dataset preview large.h5 --output a.png --scale 64"
            let option = try find("(--count)$", in: complaint("\(line) --count 40", in: folder))
            try expectSuccess("\(line) \(option) 1", in: folder)
        }
    }

    @Test(.enabled(if: has("sys", in: "/usr/bin") && FileManager.default.isExecutableFile(atPath: "/usr/bin/apt-get")))
    func packagesExist() throws {
        try withTemporaryDirectory { folder in
            let message = try complaint("smd dataset prepare fashion-mnist --source . --output a.h5", in: folder)
            let command = try find("run \"(apt-get install .*)\",", in: message)
            try expectSuccess(command.replacing("install", with: "install --simulate"), in: folder)
        }
        // Packages that messages and scripts name.
        let named = try shell(
            "grep -rhoE '(Debian package |apt-get install |; install [a-z]+-)[a-z0-9.-]+' Sources launch | sed 's/.* //' | sort -u",
            in: repositoryFolder
        ).output.split(separator: "\n")
        #expect(Set(["dataset-fashion-mnist", "libdnnl-dev", "openmpi-bin", "python3-h5py"]).isSubset(of: named))
        for package in named { try expectSuccess("apt-cache show \(package)", in: "/") }
    }

    // MARK: Options

    /// "(see … --help)" behind a wrong command line, of every command and script.
    @Test func helpIsThere() throws {
        let commands = [
            "", "train", "sample", "plan", "doctor", "metrics", "metrics show", "metrics follow", "checkpoint",
            "checkpoint inspect", "dataset", "dataset info", "dataset prepare", "dataset prepare images",
            "dataset verify", "dataset preview", "bench", "bench step", "conformance", "completion install", "man",
        ]
        for command in commands {
            let message = try complaint("smd \(command) --no-such-option", in: "/")
            let help = try find("\\(see (.* --help)\\)$", in: message)
            let shown = try shell(help, in: "/")
            #expect(shown.status == 0 && shown.output.contains("USAGE: \(help.dropLast(" --help".count))"), "\(help)")
        }
        for script in ["run", "setup", "test", "torture", "two-hosts", "fuzz"] {
            let message = try shell("launch/\(script) --no-such-option", in: repositoryFolder)
            #expect(message.status == 64 && message.errors.contains("(see --help)"), "\(script): \(message.errors)")
            let help = try shell("launch/\(script) --help", in: repositoryFolder)
            #expect(help.status == 0 && help.output.hasPrefix("Usage: launch/\(script)"), "\(script): \(help.errors)")
        }
    }

    /// Options that messages of `smd doctor` name are options of launch/run or mpirun.
    @Test func optionsOfLaunchers() throws {
        try withTemporaryDirectory { folder in
            let run = repositoryFolder + "/launch/run -n 1 --dry-run"
            for (option, words) in [
                ("--env TMPDIR", "-x TMPDIR"), ("--mca btl_tcp_if_include SUBNET", "--mca btl_tcp_if_include SUBNET"),
            ] {
                #expect(try says("launch/run \(option)"), "\(option)")
                let shown = try shell("TMPDIR=\(folder) \(run) \(option) a.yaml --output b", in: folder)
                #expect(shown.status == 0 && shown.output.contains(words), "\(shown.errors)\(shown.output)")
            }
            #expect(try says("--map-by ppr:RANKS:node") && says("smd plan CONFIG --ranks N"))
            let settings = try localMPISettings().map { "\($0)=\($1)" }.joined(separator: " ")
            try expectSuccess("env \(settings) mpirun -n 1 --map-by ppr:1:node true", in: folder)
            try expectSuccess("smd plan grid --ranks 2", in: folder)
        }
    }

    /// Whether a text of the program has these words.
    private func says(_ words: String) throws -> Bool {
        try shell("grep -rqFe '\(words)' Sources", in: repositoryFolder).status == 0
    }

    /// launch/run without mpirun names launch/setup, which finds everything in place.
    @Test func setupIsNamed() throws {
        let run = repositoryFolder + "/launch/run"
        try withTemporaryDirectory { folder in
            // Only what the script needs before it looks for mpirun.
            let programs = ["env", "bash", "dirname", "readlink", "nproc", "lscpu", "grep", "sort", "wc", "cat"]
            for program in programs { try expectSuccess("ln -s $(command -v \(program)) .", in: folder) }
            let message = try shell("PATH=. \(run) -n 1 a.yaml --output b", in: folder).errors
            let command = try find("run (launch/setup)", in: message)
            try expectSuccess("\(command) --check", in: repositoryFolder)
        }
    }

    @Test func benchNamesTheOptionToLeaveOut() throws {
        let line = "smd bench step --preset grid --profile --threads 2"
        let option = try find("leave out (--threads 2)", in: complaint(line, in: "/"))
        #expect(line.contains(option))
        let shown = try shell(line.replacing(option, with: "") + " --repeat 1 --warmup 0", in: "/")
        #expect(shown.status == 0, "\(shown.errors)")
    }

    /// A column that does not exist, and those that do.
    @Test func columnsOfMetrics() throws {
        try withTemporaryDirectory { folder in
            try expectSuccess("smd dataset prepare gaussian-grid --count 64 --output gaussian-grid.h5", in: folder)
            let settings = "--set steps=2 --set batch_size=8 --set preview_every=0"
            try expectSuccess("smd train grid --output run \(settings)", in: folder)
            let message = try complaint("smd metrics show run --columns nothing", in: folder)
            let columns = try find("there are (.*)$", in: message).replacing(", ", with: ",")
            #expect(columns.contains("loss"))
            try expectSuccess("smd metrics show run --columns \(columns)", in: folder)
        }
    }
}
