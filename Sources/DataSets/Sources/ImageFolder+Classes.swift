import Files
import Foundation
import Synchronization

extension ImageFolder {
    /// How the sub-folders of the first level divide the images into classes. Only images that can be read count: any
    /// other file, and a folder without images, is of no class and takes none away.
    enum Classes {
        /// Every image lies in one of these, in the order of their bytes; the first is label 0.
        case all([BytePath])
        /// Some images lie in these folders, others, of which this is one, beside them.
        case some([BytePath], loose: BytePath)
        /// No image lies in a sub-folder.
        case none
    }

    /// Decodes files, on all cores, until every sub-folder has shown one image: mostly one file each.
    func classes() -> Classes {
        let groups = Array(Dictionary(grouping: files, by: \.firstFolder))
        let found = Mutex<[BytePath?: BytePath]>([:])
        DispatchQueue.concurrentPerform(iterations: groups.count) { i in
            guard let image = groups[i].value.first(where: isImage) else { return }
            found.withLock { $0[groups[i].key] = image }
        }
        let images = found.withLock { $0 }
        let folders = images.keys.compactMap { $0 }.sorted()
        if folders.isEmpty { return .none }
        // No folder: the files beside the sub-folders.
        return images[nil].map { .some(folders, loose: $0) } ?? .all(folders)
    }
}
