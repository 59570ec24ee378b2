// swift-tools-version: 6.2
import PackageDescription

let strict: [SwiftSetting] = [.treatAllWarnings(as: .error)]
let strictC: [CSetting] = [.enableWarning("all"), .treatAllWarnings(as: .error)]

/// The rooms of smd. Imports point downward only; targets named `C…` are C, nothing else is.
let package = Package(
    name: "smd",
    products: [.executable(name: "smd", targets: ["smd"])],
    dependencies: [
        .package(url: "https://github.com/apple/swift-argument-parser", from: "1.8.2"),
        .package(url: "https://github.com/apple/swift-crypto", from: "3.12.3"),
        .package(url: "https://github.com/jpsim/Yams", from: "6.2.2"),
    ],
    targets: [
        // Libraries of the system, found with pkg-config.
        .systemLibrary(name: "SystemMPI", pkgConfig: "ompi-c", providers: [.apt(["libopenmpi-dev"])]),
        .systemLibrary(name: "SystemHDF5", pkgConfig: "hdf5", providers: [.apt(["libhdf5-dev"])]),
        .systemLibrary(name: "SystemPNG", pkgConfig: "libpng", providers: [.apt(["libpng-dev"])]),
        .systemLibrary(name: "SystemJPEG", pkgConfig: "libjpeg", providers: [.apt(["libjpeg62-turbo-dev"])]),

        // C shims, one function per need, every one returning a status; and the fused kernels.
        .target(name: "CMPI", dependencies: ["SystemMPI"], cSettings: strictC),
        .target(
            name: "CHDF5", dependencies: ["SystemHDF5"], cSettings: strictC, linkerSettings: [.linkedLibrary("z")]),
        .target(name: "COneDNN", cSettings: strictC, linkerSettings: [.linkedLibrary("dnnl")]),
        .target(
            name: "CCodecs", dependencies: ["SystemPNG", "SystemJPEG"],
            cSettings: strictC + [.unsafeFlags(["-O3"])],
            linkerSettings: [
                .linkedLibrary("z"), .linkedLibrary("webp"), .linkedLibrary("webpdemux"), .linkedLibrary("tiff"),
            ]),
        .target(
            name: "CLAPACK", cSettings: strictC,
            linkerSettings: [.linkedLibrary("lapacke"), .linkedLibrary("lapack"), .linkedLibrary("blas")]),
        .target(name: "CLMDB", cSettings: strictC, linkerSettings: [.linkedLibrary("lmdb")]),
        .target(name: "CArchive", cSettings: strictC, linkerSettings: [.linkedLibrary("archive")]),
        // The inner loops are compiled for speed in every configuration: a debug build trains at full speed too.
        .target(
            name: "CKernels",
            cSettings: strictC + [
                .unsafeFlags(["-O3", "-fno-math-errno", "-fno-trapping-math", "-ffp-contract=fast"])
            ], linkerSettings: [.linkedLibrary("m")]),

        // Names, text and outputs, for all that is above.
        .target(name: "Files", swiftSettings: strict),

        .target(name: "Arrays", dependencies: ["CArchive", "Files"], swiftSettings: strict),

        // Numbers.
        .target(name: "LinearAlgebra", dependencies: ["CLAPACK"], swiftSettings: strict),
        .target(name: "Philox", swiftSettings: strict),
        .target(name: "TensorGraph", swiftSettings: strict),
        .target(name: "CPUBackend", dependencies: ["TensorGraph", "COneDNN", "CKernels"], swiftSettings: strict),
        .target(name: "NeuralNetwork", dependencies: ["TensorGraph"], swiftSettings: strict),
        .target(
            name: "Diffusion", dependencies: ["NeuralNetwork", "TensorGraph", "Philox"], swiftSettings: strict),

        // Files and ranks.
        .target(name: "HDF5", dependencies: ["CHDF5", "Files"], swiftSettings: strict),
        .target(
            name: "Communication", dependencies: ["CMPI", "Files", .product(name: "Crypto", package: "swift-crypto")],
            swiftSettings: strict),
        .target(
            name: "Mixtures",
            dependencies: [
                "Files", "HDF5", "LinearAlgebra", "Philox", .product(name: "Crypto", package: "swift-crypto"),
            ], swiftSettings: strict),
        .target(
            name: "Densities",
            dependencies: ["Diffusion", "Mixtures", .product(name: "Crypto", package: "swift-crypto")],
            swiftSettings: strict),
        .target(
            name: "DataSets",
            dependencies: [
                "Arrays", "HDF5", "CCodecs", "CLMDB", "Files", "Philox",
                .product(name: "Crypto", package: "swift-crypto"),
            ], swiftSettings: strict),
        .target(
            name: "Storage", dependencies: ["HDF5", "Files", .product(name: "Crypto", package: "swift-crypto")],
            swiftSettings: strict),

        // The product.
        .target(
            name: "Configuration",
            dependencies: [
                "Diffusion", "Files", "NeuralNetwork", "TensorGraph", .product(name: "Yams", package: "Yams"),
                .product(name: "Crypto", package: "swift-crypto"),
            ], swiftSettings: strict),
        .target(
            name: "Sampling",
            dependencies: [
                "Configuration", "Densities", "Diffusion", "Mixtures", "NeuralNetwork", "Philox", "TensorGraph",
                "CPUBackend",
                "DataSets",
                "Storage", "Communication", "HDF5", "Files",
            ], swiftSettings: strict),
        .target(
            name: "Training",
            dependencies: [
                "Sampling", "Configuration", "Densities", "Diffusion", "Mixtures", "NeuralNetwork", "TensorGraph",
                "CPUBackend",
                "Philox", "DataSets", "Storage", "Communication", "Files",
            ], swiftSettings: strict),
        .target(
            name: "Benchmarks",
            dependencies: [
                "Training", "Sampling", "Configuration", "Diffusion", "NeuralNetwork", "TensorGraph", "CPUBackend",
                "Philox", "DataSets", "Communication", "Files",
            ], swiftSettings: strict),
        .target(
            name: "Planning",
            dependencies: [
                "Benchmarks", "Training", "Sampling", "Configuration", "TensorGraph", "CPUBackend", "DataSets",
                "Storage",
                "Communication", "HDF5", "Files",
            ], swiftSettings: strict),
        .target(
            name: "Evaluation",
            dependencies: [
                "Arrays", "Communication", "CPUBackend", "DataSets", "Diffusion", "Files", "LinearAlgebra",
                "Mixtures", "NeuralNetwork", "Philox", "Sampling", "TensorGraph",
                .product(name: "Crypto", package: "swift-crypto"),
            ], swiftSettings: strict),
        .target(name: "Plots", dependencies: ["DataSets", "Files"], swiftSettings: strict),
        .target(
            name: "Reports",
            dependencies: [
                "Training", "Configuration", "HDF5", "NeuralNetwork", "Plots", "Storage", "Files",
                .product(name: "Crypto", package: "swift-crypto"),
            ],
            swiftSettings: strict),
        .target(
            name: "Exchange",
            dependencies: [
                "Arrays", "Configuration", "Diffusion", "Files", "HDF5", "LinearAlgebra", "NeuralNetwork", "Sampling",
                "Storage", "TensorGraph", "Training",
            ], swiftSettings: strict),
        .target(
            name: "Conformance",
            dependencies: [
                "Configuration", "Diffusion", "NeuralNetwork", "TensorGraph", "CPUBackend", "HDF5",
            ], swiftSettings: strict),
        .executableTarget(
            name: "smd",
            dependencies: [
                "Training", "Sampling", "Benchmarks", "Planning", "Evaluation", "Exchange", "Reports", "Conformance",
                "CPUBackend", "Arrays", "Plots",
                "Configuration",
                "Densities", "Diffusion", "NeuralNetwork", "TensorGraph", "DataSets", "Storage", "HDF5",
                "Communication",
                "Files",
                "LinearAlgebra", "Mixtures", "Philox",
                .product(name: "ArgumentParser", package: "swift-argument-parser"),
            ], swiftSettings: strict),

        // Tests, and what they stand on.
        .target(
            name: "ReferenceBackend", dependencies: ["TensorGraph", "Philox"], path: "Tests/ReferenceBackend",
            swiftSettings: strict),
        .testTarget(
            name: "TensorGraphTests",
            dependencies: ["Diffusion", "TensorGraph", "NeuralNetwork", "Philox", "ReferenceBackend"],
            swiftSettings: strict),
        .testTarget(
            name: "OperationTests", dependencies: ["ReferenceBackend", "CPUBackend", "TensorGraph", "TestSupport"],
            swiftSettings: strict),
        .target(name: "TestSupport", path: "Tests/Support", swiftSettings: strict),
        .target(
            name: "StorageSupport", dependencies: ["Storage", "HDF5"], path: "Tests/StorageSupport",
            swiftSettings: strict),
        .executableTarget(
            name: "rank-program", dependencies: ["Communication"], path: "Tests/RankProgram",
            swiftSettings: strict),
        .testTarget(
            name: "CommunicationTests", dependencies: ["Communication", "TestSupport", "rank-program"],
            swiftSettings: strict),
        .testTarget(
            name: "CPUBackendTests",
            dependencies: [
                "CPUBackend", "CKernels", "Diffusion", "NeuralNetwork", "Philox", "TensorGraph", "TestSupport",
            ],
            swiftSettings: strict),
        .testTarget(name: "FilesTests", dependencies: ["Files", "TestSupport"], swiftSettings: strict),
        .testTarget(
            name: "EvaluationTests",
            dependencies: [
                "Arrays", "Communication", "DataSets", "Densities", "Diffusion", "Evaluation", "HDF5", "LinearAlgebra",
                "Mixtures",
                "NeuralNetwork", "Philox", "TestSupport",
            ],
            swiftSettings: strict),
        .testTarget(name: "PlotsTests", dependencies: ["DataSets", "Plots"], swiftSettings: strict),
        .testTarget(
            name: "ReportsTests", dependencies: ["Files", "Reports", "Storage", "TestSupport"], swiftSettings: strict),
        .testTarget(name: "ArraysTests", dependencies: ["Arrays", "TestSupport"], swiftSettings: strict),
        .testTarget(name: "LinearAlgebraTests", dependencies: ["LinearAlgebra"], swiftSettings: strict),
        .testTarget(name: "PhiloxTests", dependencies: ["Philox"], swiftSettings: strict),
        .testTarget(
            name: "DiffusionTests",
            dependencies: ["Diffusion", "HDF5", "NeuralNetwork", "Philox", "TensorGraph", "TestSupport"],
            swiftSettings: strict),
        .testTarget(
            name: "ConformanceTests",
            dependencies: [
                "Conformance", "CPUBackend", "HDF5", "ReferenceBackend", "TensorGraph", "TestSupport", "smd",
            ],
            swiftSettings: strict),
        .testTarget(
            name: "DataSetsTests",
            dependencies: [
                "Arrays", "DataSets", "HDF5", "Files", "TestSupport", .product(name: "Crypto", package: "swift-crypto"),
            ], swiftSettings: strict),
        .testTarget(
            name: "HDF5Tests", dependencies: ["HDF5", "TestSupport", "storage-program"], swiftSettings: strict),
        .testTarget(
            name: "ConfigurationTests",
            dependencies: ["Configuration", "Diffusion", "NeuralNetwork", "TensorGraph", "TestSupport"],
            swiftSettings: strict),
        .testTarget(
            name: "TrainingTests",
            dependencies: [
                "smd", "rank-program", "Training", "Sampling", "Benchmarks", "Planning", "Files", "Exchange",
                "Arrays", "Communication", "Configuration", "CPUBackend", "DataSets", "HDF5", "Philox",
                "Storage", "StorageSupport", "TensorGraph", "TestSupport",
            ],
            swiftSettings: strict),
        .testTarget(
            name: "CommandTests",
            dependencies: [
                "smd", "Arrays", "Configuration", "DataSets", "Files", "HDF5", "Storage", "StorageSupport",
                "TestSupport",
            ],
            swiftSettings: strict),
        .executableTarget(
            name: "storage-program", dependencies: ["Storage", "StorageSupport", "HDF5"], path: "Tests/StorageProgram",
            swiftSettings: strict),
        .target(
            name: "FuzzTargets",
            dependencies: ["Arrays", "Configuration", "HDF5", "DataSets", "Storage", "StorageSupport"],
            path: "Tests/FuzzTargets", swiftSettings: strict),
        .testTarget(name: "FuzzTests", dependencies: ["FuzzTargets", "TestSupport"], swiftSettings: strict),
        .testTarget(
            name: "StorageTests",
            dependencies: ["Storage", "StorageSupport", "HDF5", "Philox", "TestSupport", "storage-program"],
            swiftSettings: strict),
    ],
    swiftLanguageModes: [.v6]
)

// The program of launch/fuzz has its main function from libFuzzer: it can only be linked with that.
if Context.environment["SMD_FUZZ"] != nil {
    package.targets.append(
        .executableTarget(
            name: "smd-fuzz", dependencies: ["FuzzTargets"], path: "Tests/Fuzz", swiftSettings: strict))
}
