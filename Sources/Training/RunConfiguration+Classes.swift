import Configuration
import DataSets

extension RunConfiguration {
    /// The classes of a data set for what is to be trained; nil where neither the network nor the forward process reads any.
    ///
    /// - Throws: `DataSetError` or `HDF5Error` where its labels are not classes.
    package func labels(of data: DataSet) throws -> ClassLabels? {
        if let table = trainingLoss.shiftTable {
            return try data.classLabels(count: table.classes, saidBy: "diffusion.shift_classes")
        }
        return trainingLoss.readsLabels || isShifted ? try data.classLabels(count: model.classes) : nil
    }

    /// The same with `model.classes` written out, for what is planned or measured without training.
    ///
    /// - Throws: as opening the data set and reading its labels does, where they are needed for that.
    package func withClasses() throws -> RunConfiguration {
        guard method == .classifier, model.classes == 0 else { return self }
        try requireData()
        var configuration = self
        configuration.model.classes = try DataSet(path: data).classLabels().count
        return configuration
    }
}
